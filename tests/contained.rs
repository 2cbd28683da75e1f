//! Inside a container: a seccomp filter from outside answers some calls before the recorder's own filter
//! sees them, and what the recorder itself would like to use is forbidden.
//!
//! `RETAKE_ROUNDS=20` repeats most of them.

use std::path::PathBuf;

use retake_testkit::{Ended, OFTEN, Retake, fixture, require, rounds};

fn inside() -> Retake {
    Retake::contained(env!("CARGO_BIN_EXE_retake"), fixture::c("c/contained.c", &[]))
}

fn outside() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

#[track_caller]
fn round_trip(command: &[PathBuf]) -> Ended {
    for _ in 1..rounds() {
        inside().round_trip("recording", OFTEN, command);
    }
    inside().round_trip("recording", OFTEN, command)
}

#[track_caller]
fn check(name: &str, code: i32) -> String {
    let ended = round_trip(&[fixture::c(name, &["-pthread"])]);
    assert_eq!(ended.code(), code, "{}\n{}", ended.output(), ended.errors());
    ended.output()
}

#[test]
fn calls_that_are_denied() {
    let output = check("c/denied.c", 0);
    // -1 and EPERM (1), ENOSYS (38), EPERM, EPERM; the last one is allowed.
    for line in ["call 0: -1001", "call 1: -1038", "call 2: -1001", "call 3: -1001", "call 4: 0"] {
        assert!(output.lines().any(|found| found == line), "no {line:?} in\n{output}");
    }
    assert!(output.contains("child 0: 1\nchild 1: 2\nchild 2: 1\nticked\n"), "{output}");
}

/// The denied calls are events like others.
#[test]
fn denied_calls_are_listed() {
    let retake = inside();
    let program = fixture::c("c/denied.c", &["-pthread"]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    assert_eq!(recorded.code(), 0, "{}", recorded.errors());
    let listed = retake.run(["events".as_ref(), dir.as_os_str()]).good().output();
    assert!(listed.matches("keyctl(").count() > 200, "{listed}");
    assert!(listed.contains("clone3("), "{listed}");
}

#[test]
fn processes_of_all_kinds() {
    check("c/families.c", 3);
    check("c/zombie_leader.c", 5);
    check("c/exec_from_thread.c", 4);
    check("c/shared_by_children.c", 0);
}

/// What it asks its own filter, and what it is told of it, is as natively.
#[test]
fn filters_of_the_program_inside_one() {
    let output = check("c/seccomp.c", 0);
    assert!(output.starts_with("mode at first 2\n"), "{output}");
}

#[test]
fn programs_with_runtimes() {
    if let Some(python) = require("programs_with_runtimes", "python3") {
        let script = "import threading, subprocess, time\n\
                      out = []\n\
                      ts = [threading.Thread(target=lambda: out.append(time.time_ns())) for _ in range(4)]\n\
                      [t.start() for t in ts]; [t.join() for t in ts]\n\
                      print(len(out), subprocess.check_output(['echo', 'child']), time.time_ns())";
        round_trip(&[python, "-c".into(), script.into()]).good();
    }
    if let Some(node) = require("programs_with_runtimes", "node") {
        let script = "setTimeout(() => console.log(process.pid, Date.now()), 5)";
        round_trip(&[node, "-e".into(), script.into()]).good();
    }
}

/// A recording from outside replays inside, and the other way round.
#[test]
fn recordings_cross_the_border() {
    for (here, there) in [(inside(), outside()), (outside(), inside())] {
        let program = fixture::c("c/denied.c", &["-pthread"]);
        let (dir, recorded) = here.record("recording", OFTEN, &[program]);
        let replayed = there.replay(&dir).good();
        assert_eq!(recorded.output(), replayed.output());
        there.verify(&dir).good();
    }
}
