//! A recording ends with the program's first process, and is whole whatever ends it.
//!
//! `RETAKE_ROUNDS=20` repeats most of them.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use retake_testkit::{Ended, Guarded, Retake, fixture, rounds};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Records with these options, in a process group of its own.
fn record(retake: &Retake, options: &[&str], program: &[OsString]) -> Ended {
    let mut command = retake.command(["record", "-o", "recording"]);
    command.args(options).arg("--").args(program).process_group(0);
    retake_testkit::finish(command)
}

/// The recording is finished, and replays as it went.
#[track_caller]
fn is_whole(retake: &Retake, code: i32, output: &str) {
    let dir = retake.path("recording");
    let info = retake.run(["info".as_ref(), dir.as_os_str()]).good().output();
    assert!(!info.contains("interrupted"), "{info}");
    let replayed = retake.replay(&dir);
    assert_eq!(replayed.code(), code, "{}", replayed.errors());
    assert_eq!(replayed.output(), output, "{}", replayed.errors());
    retake.verify(&dir).good();
}

#[test]
fn signals_to_the_whole_group() {
    let program = fixture::c("c/signal_group.c", &[]).into_os_string();
    for _ in 0..rounds() {
        // SIGABRT, SIGTRAP, SIGUSR1, SIGALRM, SIGTERM, SIGINT
        for number in [6, 5, 10, 14, 15, 2] {
            let retake = retake();
            let ended = record(&retake, &[], &[program.clone(), number.to_string().into()]);
            assert_eq!(ended.code(), 128 + number, "{}", ended.errors());
            assert_eq!(ended.output(), "before\n");
            is_whole(&retake, 128 + number, "before\n");
        }
    }
}

/// SIGKILL ends the process that was started as well: its child closes the recording.
#[test]
fn sigkill_to_the_whole_group() {
    let program = fixture::c("c/signal_group.c", &[]).into_os_string();
    for _ in 0..rounds() {
        let retake = retake();
        let ended = record(&retake, &[], &[program.clone(), "9".into()]);
        assert_eq!(ended.status.code(), None, "{}", ended.errors());
        is_whole(&retake, 128 + 9, "before\n");
    }
}

fn leaves(does: &str) -> [OsString; 2] {
    [fixture::c("c/leaves_daemon.c", &[]).into_os_string(), does.into()]
}

/// A command that leaves a process behind, whose standard input is open until the test closes it.
fn with_input(retake: &Retake, options: &[&str]) -> Command {
    let mut command = retake.command(["record", "-o", "recording"]);
    command.args(options).args(leaves("waits"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn all(from: &mut impl Read) -> String {
    let mut text = String::new();
    assert!(from.read_to_string(&mut text).is_ok(), "no output");
    text
}

#[test]
fn what_is_left_is_ended_and_named() {
    for _ in 0..rounds() {
        let retake = retake();
        let mut recorder = Guarded(with_input(&retake, &[]).spawn().expect("it starts"));
        // (Waiting for a child closes its input.)
        let _input = recorder.0.stdin.take();
        let status = recorder.0.wait().expect("it ends");
        let errors = all(recorder.0.stderr.as_mut().expect("piped"));
        assert_eq!(status.code(), Some(0), "{errors}");
        assert!(errors.contains("processes that it left were ended: leaves_daemon"), "{errors}");
        is_whole(&retake, 0, "started\n");
    }
}

#[test]
fn what_computes_is_ended_after_a_while() {
    let retake = retake();
    let ended = record(&retake, &[], &leaves("spins"));
    assert_eq!(ended.code(), 0, "{}", ended.errors());
    assert!(ended.errors().contains("were ended: leaves_daemon"), "{}", ended.errors());
    is_whole(&retake, 0, "started\n");
}

#[test]
fn with_wait_the_last_process_ends_it() {
    let retake = retake();
    let mut recorder = Guarded(with_input(&retake, &["--wait"]).spawn().expect("it starts"));
    let mut output = BufReader::new(recorder.0.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("output");
    assert!(matches!(recorder.0.try_wait(), Ok(None)), "it did not wait");
    drop(recorder.0.stdin.take());
    let status = recorder.0.wait().expect("it ends");
    let errors = all(recorder.0.stderr.as_mut().expect("piped"));
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(!errors.contains("left"), "{errors}");
    is_whole(&retake, 0, "started\n");
}

/// The number behind a name in parentheses.
fn number_after(text: &str, name: &str) -> String {
    let rest = text.split_once(&format!("{name} (")).map_or("", |(_, rest)| rest);
    rest.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn what_is_left_may_go_on() {
    for _ in 0..rounds() {
        let retake = retake();
        let mut command = with_input(&retake, &["--leave-running"]);
        let mut recorder = Guarded(command.spawn().expect("it starts"));
        let input = recorder.0.stdin.take().expect("piped");
        let status = recorder.0.wait().expect("it ends");
        // Nobody holds the other end any more.
        let errors = all(recorder.0.stderr.as_mut().expect("piped"));
        assert_eq!(status.code(), Some(0), "{errors}");
        assert!(errors.contains("go on without being recorded: leaves_daemon"), "{errors}");
        let pid = number_after(&errors, "leaves_daemon");
        let lives = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.contains("(leaves_daemon)") && !stat.contains(") Z")
        };
        assert!(lives(), "{errors}");
        is_whole(&retake, 0, "started\n");
        // It still makes calls that somebody has to answer.
        drop(input);
        while lives() {
            std::thread::yield_now();
        }
    }
}

/// A process that writes what the program's output was redirected to is not cut off.
#[test]
fn processes_that_hold_the_output_finish() {
    for _ in 0..2 * rounds() {
        let retake = retake();
        let log = retake.path("log");
        let script = format!("exec > >(tee {}); echo a", log.display());
        let program = ["bash", "-c", &script].map(OsString::from);
        let ended = record(&retake, &[], &program);
        assert_eq!(ended.code(), 0, "{}", ended.errors());
        assert_eq!(ended.output(), "a\n");
        assert_eq!(std::fs::read_to_string(&log).expect("it was written"), "a\n");
        is_whole(&retake, 0, "a\n");
    }
}

#[test]
fn it_says_how_the_program_ended_and_what_to_type_next() {
    let retake = retake();
    let ended = retake.run(["record", "sh", "-c", "exit 7"]);
    assert_eq!(ended.code(), 7);
    let errors = ended.errors();
    assert!(errors.contains("the program ended: exit 7"), "{errors}");
    assert!(errors.contains("retake debug sh-1"), "{errors}");
    assert!(retake.run(["record", "-q", "true"]).errors().is_empty());
    assert!(Path::new(&retake.path("retake/recordings/sh-1")).exists());
}
