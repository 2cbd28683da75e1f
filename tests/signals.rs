//! Signals and job control: each sentence a fixture that is recorded, replayed and verified, and
//! signals that come from outside.
//!
//! `RETAKE_ROUNDS=20` repeats most of them.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use retake_testkit::{Guarded, OFTEN, Retake, check_fixture, finish, fixture, rounds};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

#[track_caller]
fn check(name: &str, code: i32) -> String {
    check_fixture(env!("CARGO_BIN_EXE_retake"), name, code)
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn group_stops() {
    let output = check("c/stop_continue.c", 0);
    assert_eq!(count(&output, "moved while stopped: 0"), 3, "{output}");
    assert_eq!(count(&output, "stopped 19"), 3, "{output}");
    assert_eq!(count(&output, "continued"), 3, "{output}");
}

#[test]
fn kills_at_any_moment() {
    let output = check("c/kill_tree.c", 0);
    assert_eq!(count(&output, "of kind"), 24, "{output}");
}

#[test]
fn core_dumps_with_many_threads() {
    let program = fixture::c("c/core_threads.c", &[]).into_os_string();
    // Without core files, and with them where the system writes any.
    for arguments in [vec![program.clone()], vec![program, "core".into()]] {
        let ended = retake().round_trip("recording", OFTEN, &arguments);
        assert_eq!(ended.code(), 128 + 6, "{}\n{}", ended.output(), ended.errors());
        let output = ended.output();
        for signal in [6, 11, 3, 31] {
            assert_eq!(count(&output, &format!("with signal {signal}, ")), 1, "{output}");
        }
    }
}

#[test]
fn synchronous_signals() {
    let output = check("c/synchronous.c", 0);
    assert!(output.contains("blocked fault 0: b "), "{output}");
    assert!(output.contains("ignored fault 3: 8 "), "{output}");
    assert!(output.contains("sent: signal 11 code -1"), "{output}");
}

#[test]
fn forced_signals_leave_no_trace() {
    let program = fixture::c("c/forced.c", &[]);
    let native = finish(Command::new(&program)).output();
    assert_eq!(count(&native, "blocked and waiting"), 16, "{native}");
    let program = program.into_os_string();
    // With the schedule of chaos many more stops come: less is computed then.
    let kinds: [(&[&str], &str); 2] = [(&[], "35"), (&["--chaos"], "24")];
    for _ in 0..rounds() {
        for (chaos, depth) in kinds {
            let options = [OFTEN, chaos].concat();
            let command = [program.clone(), depth.into()];
            let ended = retake().round_trip("recording", &options, &command);
            assert_eq!(ended.code(), 0, "{}\n{}", ended.output(), ended.errors());
            assert_eq!(ended.output(), native);
        }
    }
}

#[test]
fn temporary_masks() {
    let output = check("c/temporary_masks.c", 0);
    assert!(output.contains("at last 16 and 1"), "{output}");
}

#[test]
fn queued_signals() {
    let output = check("c/queued.c", 0);
    assert!(output.contains("then -1 errno 11"), "{output}");
}

#[test]
fn timers() {
    let output = check("c/timers.c", 0);
    assert!(output.contains("thread notified"), "{output}");
}

#[test]
fn interrupted_calls() {
    let output = check("c/interrupted.c", 0);
    assert!(output.contains("kind 0: -1 errno 4"), "{output}");
    assert!(output.contains("kind 0 restart: 1 errno 0"), "{output}");
    assert!(output.contains("kind 0 ignored: 1 "), "{output}");
}

#[test]
fn nested_handlers() {
    let output = check("c/nested.c", 0);
    assert!(output.contains("at depth 6"), "{output}");
    assert_eq!(count(&output, "on the alternate stack 1"), 2, "{output}");
    assert!(output.contains("without one: b "), "{output}");
}

#[test]
fn session_with_a_terminal() {
    let output = check("c/terminal.c", 0);
    assert!(output.contains("job stopped 1 by 20"), "{output}");
    assert!(output.contains("job stopped 1 by 21"), "{output}");
    assert!(output.contains("session ended: 1 500"), "{output}");
}

/// ^C and ^Z reach the recorded program as they reach any, and the recorder survives them.
#[test]
fn keys_of_the_terminal() {
    let program = fixture::c("c/foreground.c", &[]);
    for keys in ["c", "z"] {
        let retake = retake();
        let dir = retake.path("recording");
        let mut command = Command::new(fixture::c("c/in_terminal.c", &[]));
        command.arg(keys).arg(env!("CARGO_BIN_EXE_retake")).args(["record", "-q", "-o"]);
        command.arg(&dir).arg(&program).env("RETAKE_DIR", retake.path("retake"));
        let ended = retake_testkit::finish(command);
        assert_eq!(ended.code(), 2, "{}\n{}", ended.output(), ended.errors());
        assert!(ended.output().contains("parent got 2, child 2"), "{}", ended.output());
        assert_eq!(ended.output().contains("[stopped by 20]"), keys == "z");
        assert_eq!(retake.replay(&dir).code(), 2);
        retake.verify(&dir).good();
    }
}

fn signal(name: &str, pid: &str) {
    let sent = Command::new("kill").args([name, pid]).status();
    assert!(sent.as_ref().is_ok_and(|sent| sent.success()), "kill {name} {pid}: {sent:?}");
}

/// Whether a task is in a tracing stop and has not been scheduled for a while.
fn stands_still(pid: &str) -> bool {
    let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let before = status();
    for _ in 0..1000 {
        std::thread::yield_now();
    }
    before.contains("State:\tt") && status() == before
}

fn stop_and_continue(program: &str) {
    signal("-STOP", program);
    while !stands_still(program) {
        assert!(std::path::Path::new("/proc").join(program).exists(), "{program} has ended");
    }
    signal("-CONT", program);
}

/// The recorded program, unless its recording is over.
fn program_of(recorder: &Guarded) -> Option<String> {
    recorder.program().map(|pid| pid.to_string())
}

/// Stopped from outside, the program makes no step, and the recorder waits with it.
#[test]
fn stopped_and_continued_from_outside() {
    let retake = retake();
    let dir = retake.path("recording");
    let mut command = retake.command(["record", "-q", "--checkpoint-every", "20ms", "-o"]);
    command.arg(&dir).arg(fixture::c("c/ticker.c", &[])).stdout(Stdio::piped());
    let mut recorder = Guarded(command.spawn().expect("it starts"));
    let mut output = BufReader::new(recorder.0.stdout.take().expect("piped"));
    let mut printed = String::new();
    for _ in 0..5 {
        output.read_line(&mut printed).expect("output");
    }
    let program = program_of(&recorder).expect("it runs");
    for _ in 0..5 {
        stop_and_continue(&program);
        for _ in 0..100 {
            assert_ne!(output.read_line(&mut printed).expect("output"), 0, "it ended");
        }
    }
    signal("-TERM", &program);
    output.read_to_string(&mut printed).expect("output");
    let status = recorder.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(128 + 15));
    let replayed = retake.replay(&dir);
    assert_eq!(replayed.code(), 128 + 15, "{}", replayed.errors());
    assert_eq!(replayed.output(), printed);
    retake.verify(&dir).good();
}

/// What a thread has done when it is stopped in the middle of code comes before what others do then.
#[test]
fn stopped_in_the_middle_of_code_from_outside() {
    for _ in 0..rounds() {
        let retake = retake();
        let dir = retake.path("recording");
        let mut command = retake.command(["record", "-q", "--checkpoint-every", "20ms", "-o"]);
        command.arg(&dir).arg(fixture::c("c/stopped_in_code.c", &[])).stdout(Stdio::piped());
        let mut recorder = Guarded(command.spawn().expect("it starts"));
        let mut output = BufReader::new(recorder.0.stdout.take().expect("piped"));
        let mut printed = String::new();
        output.read_line(&mut printed).expect("output");
        let child = printed.trim().to_owned();
        for name in ["-STOP", "-CONT"].repeat(6) {
            signal(name, &child);
            output.read_line(&mut printed).expect("output");
        }
        signal("-KILL", &child);
        assert_eq!(recorder.0.wait().expect("it ends").code(), Some(0));
        assert_eq!(count(&printed, "moved while stopped: 0"), 6, "{printed}");
        let replayed = retake.replay(&dir);
        assert_eq!(replayed.output(), printed, "{}", replayed.errors());
        retake.verify(&dir).good();
        retake.verify_translated(&dir, "full").good();
    }
}

/// The same and SIGKILL while the program makes calls that are recorded without a stop.
#[test]
fn fast_calls_interrupted_from_outside() {
    for round in 0..4 * rounds() {
        let retake = retake();
        let dir = retake.path("recording");
        let mut command = retake.command(["record", "-q", "--checkpoint-every", "20ms", "-o"]);
        command.arg(&dir).arg(fixture::c("c/fast_calls.c", &[])).arg("forever");
        let mut recorder = Guarded(command.stdout(Stdio::piped()).spawn().expect("it starts"));
        let mut output = BufReader::new(recorder.0.stdout.take().expect("piped"));
        let mut printed = String::new();
        output.read_line(&mut printed).expect("output");
        let program = program_of(&recorder).expect("it runs");
        // A line whose call is over: that of the last one may be cut by the signal.
        for _ in 0..6 {
            stop_and_continue(&program);
            output.read_line(&mut printed).expect("output");
        }
        let (name, number) = if round % 2 == 0 { ("-KILL", 9) } else { ("-TERM", 15) };
        signal(name, &program);
        output.read_to_string(&mut printed).expect("output");
        let status = recorder.0.wait().expect("it ends");
        assert_eq!(status.code(), Some(128 + number));
        let replayed = retake.replay(&dir);
        assert_eq!(replayed.code(), 128 + number, "{}", replayed.errors());
        assert!(printed.starts_with(&replayed.output()), "{}", replayed.output());
        assert!(replayed.output().lines().count() > 5, "{}", replayed.output());
        retake.verify(&dir).good();
    }
}

/// SIGKILL of the recorded program, with threads and children, at a random moment.
/// Signals that come faster than they can be handled leave the program some time in between.
#[test]
fn timers_that_are_faster_than_their_handlers() {
    let retake = retake();
    let program = fixture::c("c/fast_timer.c", &[]);
    for (name, options) in [("plain", &[][..]), ("chaos", &["--chaos"])] {
        let ended = retake.round_trip(name, options, &[&program]);
        assert_eq!((ended.output().as_str(), ended.code()), ("1\n", 0), "{name}");
    }
}

#[test]
fn killed_from_outside() {
    for name in ["c/ticker.c", "c/threads.c", "c/fork_tree.c"] {
        for lines in [1_u32, 2, 5, 9] {
            let retake = retake();
            let dir = retake.path("recording");
            let mut command = retake.command(["record", "-q", "--checkpoint-every", "20ms", "-o"]);
            command.arg(&dir).arg(fixture::c(name, &[])).stdout(Stdio::piped());
            let mut recorder = Guarded(command.spawn().expect("it starts"));
            let mut output = BufReader::new(recorder.0.stdout.take().expect("piped"));
            let mut printed = String::new();
            for _ in 0..lines {
                output.read_line(&mut printed).expect("output");
            }
            if let Some(program) = program_of(&recorder) {
                let mut kill = Command::new("kill");
                let _ = kill.args(["-KILL", &program]).stderr(Stdio::null()).status();
            }
            // Children of the program hold the pipe, too, until the recording is over.
            let status = recorder.0.wait().expect("it ends");
            output.read_to_string(&mut printed).expect("output");
            let code = status.code().expect("no signal");
            let replayed = retake.replay(&dir);
            assert_eq!(replayed.code(), code, "{name}: {}", replayed.errors());
            // What a call wrote that it was killed in is not known.
            assert!(printed.starts_with(&replayed.output()), "{name}: {}", replayed.output());
            retake.verify(&dir).good();
        }
    }
}
