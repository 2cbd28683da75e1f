//! Checkpoints of much memory, which are read from a copy of the process while the program goes on.
//!
//! `RETAKE_ROUNDS=20` repeats each of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use retake_testkit::{Guarded, Retake, fixture, rounds};

/// So often that several are made, and not so often that little is written in between.
const OFTEN: &[&str] = &["--checkpoint-every", "100ms"];

/// Records the fixture, replays and verifies, and gives what it printed.
fn run(args: &[&str]) -> String {
    let program = fixture::c("c/memory/rewritten.c", &["-O2"]).to_string_lossy().into_owned();
    let command = [&[program.as_str()][..], args].concat();
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let ended = retake.round_trip("recording", OFTEN, &command);
    assert_eq!(ended.code(), 0, "{}\n{}", ended.output(), ended.errors());
    ended.output()
}

#[track_caller]
fn assert_says(output: &str, line: &str) {
    assert!(output.lines().any(|found| found == line), "no line {line:?} in\n{output}");
}

/// The same with a run in which there was a copy. (On a machine that does much else a run may have so little CPU
/// time between two checkpoints that it changes few pages.)
#[track_caller]
fn run_with_a_copy(args: &[&str]) -> String {
    let mut outputs = (0..10).map(|_| run(args));
    let with_one = outputs.find(|output| output.lines().any(|line| line == "copies seen"));
    with_one.expect("a copy is seen in one of ten runs")
}

#[test]
fn a_copy_does_not_show() {
    for _ in 0..rounds() {
        let output = run_with_a_copy(&[]);
        assert_says(&output, "reader 0");
        assert_says(&output, "few at once");
    }
}

#[test]
fn who_waits_for_all_kinds_of_children_finds_its_own() {
    for _ in 0..rounds() {
        assert_says(&run(&["wait"]), "found 0, late 0");
    }
}

#[test]
fn a_copy_that_is_killed_is_made_up_for() {
    for _ in 0..rounds() {
        let output = run_with_a_copy(&["kill"]);
        assert_says(&output, "reader 0");
    }
}

/// The copy that a process has made, if there is one now.
fn copy_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().filter_map(|child| child.parse().ok()).find(|child: &u32| {
        fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name == "retake-copy\n")
    })
}

fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn a_killed_recorder_leaves_no_copy_behind() {
    let program = fixture::c("c/memory/rewritten.c", &["-O2"]);
    assert!(
        (0..10).any(|_| is_gone_with_its_recorder(&program)),
        "a copy is seen in one of ten runs"
    );
}

/// Kills a recorder while there is a copy, and waits until that and the program are gone. False: there was none.
fn is_gone_with_its_recorder(program: &Path) -> bool {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let mut command = retake.command(["record", "-q", "-o"]);
    command.arg(retake.path("recording")).args(OFTEN).arg("--").arg(program);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let recorder = Guarded(command.spawn().expect("it starts"));
    let tracer = recorder.tracer().expect("it records");
    let recorded = recorder.program().expect("the program runs");
    let copy = loop {
        if let Some(copy) = copy_of(recorded) {
            break copy;
        }
        if !is_alive(recorded) {
            return false;
        }
        std::thread::yield_now();
    };
    let status = Command::new("kill").args(["-KILL", &tracer.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill {tracer}");
    let killed = Instant::now();
    while is_alive(copy) || is_alive(recorded) {
        assert!(killed.elapsed() < Duration::from_secs(60), "{copy} or {recorded} lives on");
        std::thread::yield_now();
    }
    true
}
