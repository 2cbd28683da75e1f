//! Inside a container: a seccomp filter from outside answers some calls before the recorder's own filter
//! sees them, and what the recorder itself would like to use is forbidden.
//!
//! `RETAKE_ROUNDS=20` repeats most of them.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use retake_testkit::{Ended, OFTEN, Retake, finish, fixture, require, rounds, skip};

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

/// Calls are stopped by the signal that the program itself blocks, ignores, handles, sends, and waits for here.
#[test]
fn what_a_program_makes_of_sigsys() {
    let natively = finish(Command::new(fixture::c("c/sigsys.c", &["-pthread"]))).good().output();
    assert_eq!(check("c/sigsys.c", 0), natively);
}

#[test]
fn stops_at_any_moment_of_calls() {
    let natively =
        finish(Command::new(fixture::c("c/stop_storm.c", &["-pthread"]))).good().output();
    assert_eq!(check("c/stop_storm.c", 0), natively);
    check("c/stop_continue.c", 0);
    check("c/kill_tree.c", 0);
}

#[test]
fn signals_of_all_kinds() {
    let output = check("c/temporary_masks.c", 0);
    assert!(output.contains("at last 16 and 1"), "{output}");
    let output = check("c/interrupted.c", 0);
    assert!(output.contains("kind 0 restart: 1 errno 0"), "{output}");
    check("c/queued.c", 0);
    check("c/forced.c", 0);
    check("c/fast_timer.c", 0);
}

/// Tracers in the recording see entries and ends of calls, and step over them.
#[test]
fn calls_that_tracers_look_at() {
    for name in ["c/tracers/calls.c", "c/tracers/steps.c", "c/tracers/seized.c"] {
        let program = fixture::c(name, &[]);
        let natively = finish(Command::new(&program)).good().output();
        assert_eq!(round_trip(&[program]).good().output(), natively);
    }
}

/// `int 0x80`, and the vsyscall page where the kernel has it.
#[test]
fn calls_by_other_ways() {
    let output = check("c/other_tables.c", 3);
    for line in ["protected: 0", "refused: -38 -38 -38", "written 8"] {
        assert!(output.lines().any(|found| found == line), "no {line:?} in\n{output}");
    }
    let ended = round_trip(&[fixture::c("c/vsyscall.c", &[])]);
    if ended.code() == 77 {
        skip("calls_by_other_ways", "the kernel has no vsyscall page");
        return;
    }
    assert!(ended.good().output().starts_with("1 1 1\n"));
}

#[test]
fn programs_that_cannot_be_executed() {
    let retake = inside();
    let file = retake.path("no-program");
    std::fs::write(&file, [0x7f, b'E', b'L', b'F', 2, 1, 1, 0]).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let command = |retake: &Retake| retake.run(["record".as_ref(), file.as_os_str()]);
    let (ended, expected) = (command(&retake), command(&outside()));
    assert_eq!((ended.code(), ended.errors()), (expected.code(), expected.errors()));
    assert_eq!(ended.code(), 126, "{}", ended.errors());
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
