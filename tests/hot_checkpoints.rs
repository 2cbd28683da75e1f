//! Checkpoints in code that runs for seconds without an event.

use std::path::Path;
use std::process::{Command, Stdio};

use retake_testkit::{Guarded, Retake, fixture};

/// Takes some seconds.
const TURNS: &str = "1500000000";

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

fn events_in_code(retake: &Retake, recording: &Path) -> usize {
    let events = retake.run(["events".as_ref(), recording.as_os_str()]).good().output();
    events.lines().filter(|line| line.contains("in the middle of code")).count()
}

fn checkpoints(retake: &Retake, recording: &Path) -> usize {
    let list = retake.run(["checkpoints".as_ref(), recording.as_os_str()]);
    list.output().lines().count()
}

#[test]
fn code_without_events_has_checkpoints() {
    let retake = retake();
    let program = fixture::c("c/hot/computes.c", &[]);
    let program = [program.to_str().expect("a path"), TURNS];
    let ended = retake.round_trip("recording", &["--checkpoint-every", "500ms"], &program);
    assert_eq!(ended.code(), 0, "{}", ended.errors());
    let dir = retake.path("recording");
    let placed = events_in_code(&retake, &dir);
    assert!(placed >= 2, "{placed} events in the middle of code");
    assert!(checkpoints(&retake, &dir) > placed, "no checkpoint at each");
    // From the last one to the end.
    let at_end = retake.debug(&dir, &[], "goto end\nregs").good().output();
    assert!(at_end.contains("the end of the recording"), "{at_end}");
}

/// Calls that are recorded without a stop are events, but a checkpoint is not made at one.
#[test]
fn code_that_asks_for_the_time_has_checkpoints() {
    let retake = retake();
    let program = fixture::c("c/hot/asks_the_time.c", &[]);
    let program = [program.to_str().expect("a path"), "5"];
    let ended = retake.round_trip("recording", &["--checkpoint-every", "500ms"], &program);
    assert_eq!(ended.code(), 0, "{}", ended.errors());
    let lines = checkpoints(&retake, &retake.path("recording"));
    assert!(lines >= 4, "{lines} lines, one of them a heading");
}

/// A recorder that is killed leaves the checkpoints that it has made.
#[test]
fn a_killed_recorder_leaves_them() {
    let retake = retake();
    let dir = retake.path("recording");
    let mut command = retake.command(["record", "-q", "--checkpoint-every", "500ms", "-o"]);
    command.arg(&dir).arg(fixture::c("c/hot/computes.c", &[])).stdout(Stdio::null());
    let recorder = Guarded(command.stderr(Stdio::null()).spawn().expect("it starts"));
    while checkpoints(&retake, &dir) < 4 {
        std::thread::yield_now();
    }
    let tracer = recorder.tracer().expect("it records").to_string();
    let killed = Command::new("kill").args(["-KILL", &tracer]).status().expect("kill");
    assert!(killed.success());
    drop(recorder);
    assert!(checkpoints(&retake, &dir) >= 4);
    assert!(events_in_code(&retake, &dir) >= 2);
    retake.debug(&dir, &[], "goto end\nregs").good();
}
