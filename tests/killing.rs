//! Nothing is lost when something is killed: recorders and debuggers that get SIGKILL at random
//! moments. `RETAKE_KILLS=100` is the long tier.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use retake_testkit::{Guarded, Retake, fixture};

fn kills() -> u64 {
    std::env::var("RETAKE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// A number below `limit` that is another one each time.
fn chance(limit: u64) -> u64 {
    RandomState::new().hash_one(()) % limit
}

#[test]
fn recorder() {
    let program = fixture::c("c/ticker.c", &[]);
    for _ in 0..kills() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let dir = retake.path("recording");
        let mut command = retake.command(["record", "--checkpoint-every", "50ms", "-o"]);
        command.arg(&dir).arg(&program).stdout(Stdio::piped());
        let mut recorder = Guarded(command.spawn().expect("it starts"));
        let mut output = BufReader::new(recorder.0.stdout.take().expect("piped"));
        let mut printed = String::new();
        for _ in 0..chance(1500) {
            output.read_line(&mut printed).expect("output");
        }
        let tracer = recorder.tracer().expect("it records").to_string();
        let killed = Command::new("kill").args(["-KILL", &tracer]).status().expect("it starts");
        assert!(killed.success(), "{killed}");
        let status = recorder.0.wait().expect("ended");
        assert_eq!(status.code(), Some(125));
        // The program is not left behind: its end of the pipe closes.
        output.read_to_string(&mut printed).expect("output");

        let info = retake.run(["info".as_ref(), dir.as_os_str()]).good();
        assert!(info.output().contains("interrupted"), "{}", info.output());
        let replayed = retake.replay(&dir);
        assert_eq!(replayed.code(), 125, "{}", replayed.errors());
        let text = replayed.output();
        assert!(printed.starts_with(&text), "what is replayed was not printed:\n{text}");
        // Killed between two chunks, or in the middle of writing one.
        let errors = replayed.errors();
        let says = ["was not written", "are no whole chunk; it ends at event"];
        assert!(says.iter().any(|part| errors.contains(part)), "{errors}");
        // A chunk is complete after a quarter of a second at most; lines come much faster.
        let (kept, all) = (text.lines().count(), printed.lines().count());
        assert!(kept > 0 || all < 20_000, "{kept} of {all} lines were kept");
        retake.verify(&dir).good();
    }
}

const SCRIPT: [&str; 8] = [
    "break work",
    "continue",
    "goto hit 7",
    "rewind",
    "break outer",
    "continue",
    "goto hit 2 11",
    "rewind",
];

/// Positions and breakpoints that a debugger tells in JSON.
fn state(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let find = |value: &serde_json::Value| find_key(value, "position");
    find(&value)
}

fn find_key(value: &serde_json::Value, key: &str) -> Option<String> {
    match value {
        serde_json::Value::Object(map) => map.iter().find_map(|(name, inner)| {
            if name == key { inner.as_str().map(str::to_owned) } else { find_key(inner, key) }
        }),
        serde_json::Value::Array(list) => list.iter().find_map(|inner| find_key(inner, key)),
        _ => None,
    }
}

#[test]
fn debugger() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/calls.c", &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    // Where each command leads to.
    let mut at = vec!["1".to_owned()];
    let script = SCRIPT.join("\n");
    let reference = retake.debug(&dir, &["--json"], &script).good().output();
    for line in reference.lines() {
        let last = at.last().cloned().unwrap_or_default();
        at.push(state(line).filter(|_| !line.contains("\"break ")).unwrap_or(last));
    }
    assert_eq!(at.len(), SCRIPT.len() + 1, "{reference}");
    for _ in 0..kills() {
        let mut command = retake.command(["debug", "--json"]);
        command.arg(&dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut debugger = Guarded(command.spawn().expect("it starts"));
        let mut input = debugger.0.stdin.take().expect("piped");
        let mut output = BufReader::new(debugger.0.stdout.take().expect("piped"));
        // The session is there when the first command was answered.
        let done = 1 + usize::try_from(chance(SCRIPT.len() as u64 - 1)).expect("few");
        for command in &SCRIPT[..done] {
            writeln!(input, "{command}").expect("written");
            let mut line = String::new();
            output.read_line(&mut line).expect("output");
        }
        // One more is on its way when the signal comes.
        writeln!(input, "{}", SCRIPT[done]).expect("written");
        for _ in 0..chance(200_000) {
            std::hint::spin_loop();
        }
        debugger.0.kill().expect("killed");
        debugger.0.wait().expect("ended");

        let resumed = retake.debug(&dir, &["--resume", "--json"], "when\nbreakpoints").good();
        let text = resumed.output();
        let position = text.lines().next().and_then(state).expect("a position");
        let possible = [&at[done], &at[done + 1]];
        assert!(
            possible.contains(&&position),
            "after {done}: {position}, not {possible:?}\n{text}"
        );
        let breakpoints = text.lines().nth(1).expect("breakpoints");
        let has = |name: &str| breakpoints.contains(&format!("\"{name}\""));
        assert!(has("work"), "{breakpoints}");
        assert!(has("outer") || done <= 4, "{breakpoints}");
        assert!(!has("outer") || done >= 4, "{breakpoints}");
    }
}
