//! `retake hunt`: what counts as a failure, what is kept, and which processes are recorded.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use retake_testkit::{Ended, Retake, fixture};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

fn ends() -> PathBuf {
    fixture::c("c/hunt/ends.c", &[])
}

/// Hunts with these options.
fn hunt(retake: &Retake, options: &[&str], command: &[&str]) -> Ended {
    let words = ["hunt"].iter().chain(options).chain(&["--"]).chain(command);
    retake.run(words)
}

/// Hunts `ends` with `args`: it must be found, as `wanted` says; gives its recording's name.
#[track_caller]
fn finds(retake: &Retake, options: &[&str], args: &[&str], wanted: &str) {
    let program = ends();
    let command: Vec<&str> =
        [program.to_str().expect("a path")].iter().chain(args).copied().collect();
    let ended = hunt(retake, &[&["-n", "2"], options].concat(), &command).good();
    let first = ended.output().lines().next().unwrap_or_default().to_owned();
    assert!(first.starts_with(&format!("run 1 (plain): {wanted}")), "{}", ended.output());
    assert!(ended.output().contains("retake debug ends-1"), "{}", ended.output());
}

#[test]
fn each_kind_of_failure() {
    for (options, args, wanted, code) in [
        (&[][..], &["exit", "3"][..], "exit 3", 3),
        (&[], &["segv"], "SIGSEGV", 139),
        (&[], &["abort"], "SIGABRT", 134),
        (&["--match", "lost 2"], &["say", "lost 2 of 3"], "the text is in its output: lost", 0),
        (&["--timeout", "500ms"], &["hang"], "hang", 137),
    ] {
        let retake = retake();
        finds(&retake, options, args, wanted);
        assert_eq!(retake.run(["replay", "ends-1"]).code(), code, "{wanted}");
        retake.run(["verify", "ends-1"]).good();
    }
}

#[test]
fn a_deadlock_is_known_at_once() {
    let retake = retake();
    let program = fixture::c("c/hunt/deadlock.c", &[]);
    let command = [program.to_str().expect("a path"), "always"];
    let ended = hunt(&retake, &["-n", "1", "--timeout", "2m"], &command).good();
    assert!(ended.output().starts_with("run 1 (plain): deadlock"), "{}", ended.output());
    let info = retake.run(["info", "deadlock-1"]).good().output();
    assert!(info.contains("deadlock\n"), "{info}");
    retake.run(["verify", "deadlock-1"]).good();
}

#[test]
fn nothing_found_and_nothing_kept() {
    let retake = retake();
    let program = ends();
    let ended = hunt(&retake, &["-n", "3", "-j", "2"], &[program.to_str().expect("a path")]);
    assert_eq!(ended.code(), 1, "{}", ended.errors());
    assert!(ended.output().starts_with("0 of 3 runs failed"), "{}", ended.output());
    let home = retake.path("retake");
    for folder in ["recordings", "hunts"] {
        assert_eq!(fs::read_dir(home.join(folder)).expect("a folder").count(), 0, "{folder}");
    }
}

#[test]
fn what_cannot_be_recorded_is_an_error() {
    let retake = retake();
    let ended = hunt(&retake, &[], &["./nothing"]);
    assert_eq!(ended.code(), 125, "{}", ended.output());
    assert!(ended.errors().contains("no such file"), "{}", ended.errors());
    let ended = hunt(&retake, &["--only", "nothing"], &["sh", "-c", "true"]);
    assert_eq!(ended.code(), 125, "{}", ended.output());
    assert!(ended.errors().contains("does --only match?"), "{}", ended.errors());
    assert_eq!(retake.run(["hunt", "--frob"]).code(), 125);
}

#[test]
fn a_race_is_found_and_a_passing_run_kept_beside_it() {
    let retake = retake();
    let program = fixture::c("c/race.c", &[]);
    let ended = hunt(&retake, &["-n", "300"], &[program.to_str().expect("a path")]).good();
    assert!(ended.output().contains("kept as race-1"), "{}", ended.output());
    for _ in 0..3 {
        assert_eq!(retake.run(["replay", "race-1"]).code(), 1);
    }
    assert_eq!(retake.run(["replay", "race-passing-1"]).code(), 0);
}

#[test]
fn only_the_programs_that_match_are_recorded() {
    let retake = retake();
    let program = ends();
    let program = program.to_str().expect("a path");
    // A driver with other programs around, which hides the failure.
    let script = format!(
        "ls / > /dev/null && {program} pass && {{ {program} exit 3 'a b'; cat /dev/null; }}"
    );
    let ended = hunt(&retake, &["-n", "1", "--only", "en?s"], &["sh", "-c", &script]).good();
    assert!(ended.output().starts_with("run 1 (plain): exit 3"), "{}", ended.output());
    let named = format!("{program} exit 3 'a b', kept as ends-1");
    assert!(ended.output().contains(&named), "{}", ended.output());
    assert_eq!(retake.run(["replay", "ends-1"]).code(), 3);
}

#[test]
fn failures_are_grouped() {
    let retake = retake();
    let program = ends();
    let command = [program.to_str().expect("a path"), "exit", "4"];
    let ended = hunt(&retake, &["-n", "3", "--all"], &command).good();
    assert!(ended.output().contains("exit 4, and 2 more like it"), "{}", ended.output());
    assert!(ended.output().contains("3 of 3 runs failed"), "{}", ended.output());
}

/// A test that fails in one of two runs, by a number that the system draws.
#[test]
fn a_test_of_cargo() {
    let retake = retake();
    let source = "#[test]\nfn drawn() {\n    let n = std::fs::read_to_string(\"/proc/sys/kernel/random/uuid\").unwrap();\n    assert!(n.as_bytes()[0] % 2 == 0, \"an odd one\");\n}\n";
    let project = retake.path("tiny");
    fs::create_dir_all(project.join("src")).expect("made");
    fs::write(project.join("src/lib.rs"), source).expect("written");
    let manifest =
        "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    fs::write(project.join("Cargo.toml"), manifest).expect("written");
    let mut command =
        retake.command(["hunt", "-n", "60", "--", "cargo", "test", "--offline", "--lib", "drawn"]);
    command.current_dir(&project).env_remove("CARGO_TARGET_DIR");
    let ended = retake_testkit::finish(command).good();
    assert!(
        ended.output().contains("exit 101: thread 'drawn' panicked at src/lib.rs:4:5:"),
        "{}",
        ended.output()
    );
    let listed = retake.run(["ls"]).good().output();
    assert!(listed.contains("/deps/tiny-") && !listed.contains("cargo test"), "{listed}");
}
