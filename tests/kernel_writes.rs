//! What the kernel writes outside of the usual: when a task dies, by calls that fail, for signals that have
//! no room, in mappings that hold nothing. Recorded as natively, replayed and verified.
//!
//! `RETAKE_ROUNDS=20` repeats each of them.

use std::path::Path;

use retake_testkit::{Retake, check_as_native, fixture, rounds};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

#[track_caller]
fn check(name: &str) -> String {
    check_as_native(env!("CARGO_BIN_EXE_retake"), name)
}

#[test]
fn owners_of_robust_mutexes_that_die() {
    let output = check("c/kernel/dead_owners.c");
    assert!(output.contains("1 0: 1 1, word: died 1 owned 0, other 0"), "{output}");
    assert!(output.contains("thread: 1"), "{output}");
}

#[test]
fn signals_without_room_and_mappings_without_contents() {
    let output = check("c/kernel/no_frame.c");
    for line in ["no stack 0: signal 11 exit 0", "no stack 3: signal 11 exit 0"] {
        assert!(output.contains(line), "{output}");
    }
    assert!(output.contains("another handler 3: signal 0 exit 11"), "{output}");
    assert!(output.contains("a socket 0: signal 0 exit 7"), "{output}");
}

#[test]
fn memory_that_may_only_be_written() {
    let output = check("c/memory/write_only.c");
    assert_eq!(output.lines().count(), 12, "{output}");
}

#[track_caller]
fn audit(program: &Path, seed: u64) {
    let retake = retake();
    let command = [program.as_os_str().to_owned(), seed.to_string().into()];
    let (dir, recorded) = retake.record("recording", &["--audit"], &command);
    let errors = recorded.errors();
    assert!(!errors.contains("the audit found") && recorded.code() == 0, "{seed}: {errors}");
    let replayed = retake.replay(&dir);
    assert_eq!(replayed.output(), recorded.output(), "{seed}: {}", replayed.errors());
    retake.verify(&dir).good();
}

/// Most of the calls fail; some seeds have found what the table of calls did not say.
#[test]
fn calls_that_fail() {
    let program = fixture::c("c/kernel/failing_calls.c", &[]);
    for seed in 1..=3 {
        audit(&program, seed);
    }
    for seed in (0..).take(rounds() - 1) {
        audit(&program, 1000 + seed);
    }
}

/// Whether this machine lets a program serve files, which needs privilege and `/dev/fuse`.
fn can_serve(test: &str) -> bool {
    let program = fixture::c("c/kernel/served_files.c", &[]);
    let native = retake_testkit::finish(std::process::Command::new(program)).output();
    if !native.starts_with("no ") {
        return true;
    }
    retake_testkit::skip(test, native.trim());
    false
}

#[test]
fn files_that_the_recording_serves_itself() {
    if can_serve("files_that_the_recording_serves_itself") {
        let output = check("c/kernel/served_files.c");
        assert!(output.contains("read 7: served\n"), "{output}");
    }
}

#[test]
fn files_that_the_recording_serves_itself_are_not_mapped() {
    if !can_serve("files_that_the_recording_serves_itself_are_not_mapped") {
        return;
    }
    let program = fixture::c("c/kernel/served_files.c", &[]);
    let command = [program.as_os_str(), "map".as_ref()];
    let retake = retake();
    let output = retake.round_trip("recording", &[], &command).output();
    let info = retake.run(["info".as_ref(), retake.path("recording").as_os_str()]).output();
    for line in ["mapped: No such device", "executed: Permission denied"] {
        assert!(output.lines().any(|found| found == line), "{output}");
    }
    assert!(info.contains("mapped a file that it serves itself"), "{info}");
    assert!(info.contains("which it serves itself (fuse): that is refused (EACCES)"), "{info}");
}
