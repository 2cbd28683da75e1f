//! `retake hunt` with the commands that run tests, as people type them: the tests are recorded, not their build.
//!
//! Each test fails in one of two runs, by a number that the system draws.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use retake_testkit::{Retake, finish, fixture, go, require, skip};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Hunts with `words` in `folder`, as [`found`].
#[track_caller]
fn finds(retake: &Retake, folder: &Path, words: &[&str], wanted: &str, program: &str) {
    let mut command = retake.command(["hunt", "-n", "60"].iter().chain(words));
    command.current_dir(folder);
    found(retake, command, wanted, program);
}

/// The hunt finds a failure that says `wanted`, and keeps a recording of `program`, which replays to the same
/// end.
#[track_caller]
fn found(retake: &Retake, hunt: Command, wanted: &str, program: &str) {
    let ended = finish(hunt).good();
    let said = ended.output();
    assert!(said.contains(wanted), "{said}");
    let kept = said.lines().find_map(|line| line.split_once("kept as ")).map(|(_, kept)| kept);
    let kept = kept.expect("a recording was kept");
    let info = retake.run(["info", kept]).good().output();
    let recorded = info.lines().find(|line| line.starts_with("program")).unwrap_or_default();
    assert!(recorded.contains(program), "{info}");
    let replayed = retake.run(["replay", kept]);
    assert_eq!(replayed.code(), 1, "{}", replayed.errors());
    retake.run(["verify", kept]).good();
}

const GO: &str = "package tiny

import (
	\"os\"
	\"testing\"
)

func TestDrawn(t *testing.T) {
	drawn, _ := os.ReadFile(\"/proc/sys/kernel/random/uuid\")
	if drawn[0]%2 == 1 {
		t.Fatal(\"an odd one\")
	}
}
";

#[test]
fn go_test() {
    const NAME: &str = "go_test";
    let tools = match go::toolchain() {
        Ok(tools) => tools,
        Err(why) => return skip(NAME, &why),
    };
    let retake = retake();
    let folder = retake.path("tiny");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("go.mod"), "module tiny\n\ngo 1.19\n").expect("written");
    fs::write(folder.join("tiny_test.go"), GO).expect("written");
    let template = tools.command();
    let go = template.get_program().to_str().expect("a path");
    let words = ["--", go, "test", "-run", "TestDrawn", "."];
    let mut command = retake.command(["hunt", "-n", "60"].iter().chain(&words));
    let set = template.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.envs(set.filter(|(name, _)| *name != "GO111MODULE")).current_dir(&folder);
    found(&retake, command, "exit 1", "tiny.test");
}

const PYTHON: &str = "import os

def test_drawn():
    assert os.urandom(1)[0] % 2 == 0, 'an odd one'
";

#[test]
fn pytest() {
    let Some(python) = require("pytest", "/usr/bin/python3") else { return };
    let has_it = Command::new(&python).args(["-c", "import pytest"]).output();
    if !has_it.is_ok_and(|output| output.status.success()) {
        return skip("pytest", "/usr/bin/python3 has no pytest");
    }
    let retake = retake();
    let folder = retake.path("tiny");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("test_drawn.py"), PYTHON).expect("written");
    let python = python.to_str().expect("a path").to_owned();
    let words = ["--match", "an odd one", "--", &python, "-m", "pytest", "-q", "-k", "drawn"];
    finds(&retake, &folder, &words, "an odd one", "python3");
}

#[test]
fn ctest() {
    if require("ctest", "ctest").is_none() {
        return;
    }
    let retake = retake();
    let folder = retake.path("tiny");
    fs::create_dir_all(&folder).expect("made");
    let program = fixture::c("c/hunt/drawn.c", &[]);
    let tests = format!("add_test(drawn \"{}\" \"a b\")\n", program.display());
    fs::write(folder.join("CTestTestfile.cmake"), tests).expect("written");
    finds(&retake, &folder, &["--", "ctest", "-R", "drawn"], "exit 1", "drawn");
}
