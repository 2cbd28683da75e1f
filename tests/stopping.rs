//! Signals to `retake record`, and `retake stop`: the program gets what it would get without retake, and
//! a recording can always be ended.
//!
//! `RETAKE_ROUNDS=20` repeats most of them.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdout, Command, Stdio};

use retake_testkit::{Guarded, Retake, fixture, rounds};

/// A recording that is being made.
struct Live {
    retake: Retake,
    front: Guarded,
    output: BufReader<ChildStdout>,
}

fn start(program: &[OsString]) -> Live {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let mut command = retake.command(["record", "-q", "-o", "recording"]);
    command.args(program).process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut front = Guarded(command.spawn().expect("it starts"));
    let output = BufReader::new(front.0.stdout.take().expect("piped"));
    let mut live = Live { retake, front, output };
    assert_eq!(live.line(), "ready\n");
    live
}

impl Live {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("output");
        line
    }

    fn signal(&self, name: &str) {
        kill(name, &self.front.0.id().to_string());
    }

    fn signal_group(&self, name: &str) {
        kill(name, &format!("-{}", self.front.0.id()));
    }

    /// Waits for the end; the recording must be whole.
    #[track_caller]
    fn ended(mut self) -> i32 {
        let status = self.front.0.wait().expect("it ends");
        let code = status.code().expect("no signal");
        let dir = self.retake.path("recording");
        let info = self.retake.run(["info".as_ref(), dir.as_os_str()]).good().output();
        assert!(!info.contains("interrupted"), "{info}");
        assert_eq!(self.retake.replay(&dir).code(), code);
        self.retake.verify(&dir).good();
        code
    }
}

fn kill(name: &str, target: &str) {
    let sent = Command::new("kill").args([name, "--", target]).status().expect("it starts");
    assert!(sent.success(), "kill {name} {target}: {sent}");
}

fn counter(argument: &str) -> Live {
    start(&[fixture::c("c/signal_counter.c", &[]).into_os_string(), argument.into()])
}

/// What is sent to the process that was started, or to its whole group, comes once.
#[test]
fn the_program_gets_each_signal_once() {
    for _ in 0..rounds() {
        let mut live = counter("");
        let mut n = 0;
        for (name, number) in [("-USR1", 10), ("-INT", 2), ("-HUP", 1), ("-WINCH", 28)] {
            for to_group in [false, true] {
                n += 1;
                if to_group {
                    live.signal_group(name)
                } else {
                    live.signal(name)
                }
                assert_eq!(live.line(), format!("{n}: signal {number}\n"));
            }
        }
        live.signal("-TERM");
        assert_eq!(live.line(), format!("{}: signal 15\n", n + 1));
        assert_eq!(live.ended(), 3);
    }
}

/// The process that traces is nobody's to end, while the one that was started lives.
#[test]
fn signals_to_the_tracer_do_nothing() {
    let mut live = counter("");
    let tracer = live.front.tracer().expect("it records").to_string();
    for name in ["-TERM", "-HUP", "-INT", "-QUIT", "-USR1", "-ALRM", "-PIPE"] {
        kill(name, &tracer);
    }
    live.signal("-USR1");
    assert_eq!(live.line(), "1: signal 10\n");
    live.signal("-TERM");
    assert_eq!(live.line(), "2: signal 15\n");
    assert_eq!(live.ended(), 3);
}

/// SIGKILL of the process that was started.
#[test]
fn a_killed_front_ends_the_recording() {
    for _ in 0..rounds() {
        let mut live = counter("");
        live.signal("-KILL");
        let status = live.front.0.wait().expect("it ends");
        assert_eq!(status.code(), None);
        // The tracer and the program hold the pipe until the recording is closed.
        assert_eq!(live.line(), "");
        let dir = live.retake.path("recording");
        while !dir.join("recording.json").exists() {
            std::thread::yield_now();
        }
        live.retake.verify(&dir).good();
    }
}

fn programs() -> Vec<Vec<OsString>> {
    let sh = |script: &str| ["sh", "-c", script].map(OsString::from).to_vec();
    vec![
        sh("trap '' INT TERM; echo ready; while :; do /bin/true; done"),
        sh("trap '' INT TERM; echo ready; while :; do read -r line < /proc/uptime; done"),
        sh("trap '' INT TERM; echo ready; while :; do :; done"),
        vec![fixture::c("c/signal_counter.c", &[]).into_os_string(), "ignores".into()],
        vec![fixture::c("c/many_processes.c", &[]).into_os_string()],
    ]
}

/// Lets the program run for a moment, another one each time.
fn a_moment() {
    for _ in 0..RandomState::new().hash_one(()) % 3_000_000 {
        std::hint::spin_loop();
    }
}

#[test]
fn three_interrupts_end_it() {
    for program in programs() {
        for _ in 0..rounds() {
            let mut live = start(&program);
            a_moment();
            // Two that come before the first was seen are one.
            while matches!(live.front.0.try_wait(), Ok(None)) {
                let id = format!("-{}", live.front.0.id());
                let _ =
                    Command::new("kill").args(["-INT", "--", &id]).stderr(Stdio::null()).status();
            }
            assert_eq!(live.ended(), 128 + 9);
        }
    }
}

#[test]
fn a_second_request_ends_it() {
    for program in programs() {
        for _ in 0..rounds() {
            let mut live = start(&program);
            a_moment();
            while matches!(live.front.0.try_wait(), Ok(None)) {
                let id = live.front.0.id().to_string();
                let _ = Command::new("kill").args(["-TERM", &id]).stderr(Stdio::null()).status();
            }
            assert_eq!(live.ended(), 128 + 9);
        }
    }
}

/// The program has some seconds to end.
#[test]
fn a_request_that_is_not_met_ends_it() {
    let mut live = counter("ignores");
    live.signal("-TERM");
    assert_eq!(live.line(), "1: signal 15\n");
    assert_eq!(live.ended(), 128 + 9);
}

#[test]
fn stop_ends_it() {
    for program in programs() {
        for _ in 0..rounds() {
            let live = start(&program);
            a_moment();
            let dir = live.retake.path("recording");
            let stopped = live.retake.run(["stop".as_ref(), dir.as_os_str()]).good();
            assert!(stopped.output().contains("is closed"), "{}", stopped.output());
            let again = live.retake.run(["stop".as_ref(), dir.as_os_str()]);
            assert_eq!(again.code(), 1);
            assert!(again.errors().contains("is not being recorded"), "{}", again.errors());
            assert_eq!(live.ended(), 128 + 9);
        }
    }
}
