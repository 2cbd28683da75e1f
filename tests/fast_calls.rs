//! Calls that are recorded without a stop.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use retake_testkit::{OFTEN, Retake, fixture, rounds};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Whether calls can be without a stop: `rdfsbase` is allowed (`AT_HWCAP2`, bit 1), and no filter from
/// outside stops them anyway.
fn can_be_fast() -> bool {
    const AT_HWCAP2: u64 = 26;
    let auxv = std::fs::read("/proc/self/auxv").expect("auxv");
    let words: Vec<u64> =
        auxv.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let has_instruction = words.chunks(2).any(|pair| pair[0] == AT_HWCAP2 && pair[1] & 2 != 0);
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    has_instruction && status.contains("Seccomp:\t0")
}

#[test]
fn over_threads_signals_forks_and_filters() {
    let program = fixture::c("c/fast_calls.c", &[]);
    for _ in 0..rounds() {
        let ended = retake().round_trip("recording", OFTEN, &[&program]);
        let output = ended.output();
        assert_eq!(ended.code(), 0, "{output}\n{}", ended.errors());
        let count = |part: &str| output.matches(part).count();
        assert_eq!(
            (count("killed 9"), count("stopped 1"), count("thread ")),
            (10, 5, 4),
            "{output}"
        );
        assert!(output.contains("800 faults, 200 invalid"), "{output}");
        assert!(output.contains("forbidden 200"), "{output}");
        assert!(output.contains("forked ") && output.contains("executed "), "{output}");
    }
}

/// Records so many calls, and tells where the last of them was made, by its program counter, and the
/// functions on its stack.
fn last_call(options: &[&str]) -> (u64, Vec<String>) {
    const CALLS: usize = 2000;
    let retake = retake();
    let program = fixture::c("c/tiny_calls.c", &[]);
    let (dir, recorded) =
        retake.record("recording", options, &[program, PathBuf::from(CALLS.to_string())]);
    assert_eq!(recorded.output(), format!("{CALLS}\n"));
    let events = retake.run(["events".as_ref(), dir.as_os_str()]).good().output();
    let calls: Vec<&str> = events.lines().filter(|line| line.contains(" getppid()")).collect();
    assert_eq!(calls.len(), CALLS + 1, "each call is an event");
    let last = calls[CALLS - 1].split_whitespace().next().expect("an index");
    let script = format!("goto event {last}\nregs\nstack");
    let output = retake.debug(&dir, &["--json"], &script).good().output();
    let results: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let registers = results[1]["data"].to_string();
    let rip = registers.split("\"rip\"").nth(1).expect("rip");
    let digits = rip.trim_start_matches(|c: char| !c.is_ascii_digit());
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    let frames = results[2]["data"].as_array().expect("frames");
    let name = |frame: &serde_json::Value| frame["place"]["function"].as_str().map(str::to_owned);
    (digits.parse().expect("a number"), frames.iter().filter_map(name).collect())
}

#[test]
fn they_are_events_with_stacks() {
    let page = 0x7000_2000..0x7000_3000_u64;
    let (traced, stack) = last_call(&["--trace-all-calls"]);
    assert!(!page.contains(&traced), "{traced:#x}");
    assert_eq!(stack[..2], ["syscall", "main"]);
    let (fast, same_stack) = last_call(&[]);
    assert_eq!(page.contains(&fast), can_be_fast(), "{fast:#x}");
    assert_eq!(stack, same_stack);
}

/// Signals and changes of tasks that find no traced call in time.
#[test]
fn with_computing_in_between() {
    let program = fixture::c("c/sparse_calls.c", &["-O1"]).into_os_string();
    for _ in 0..rounds() {
        let command = [program.clone(), "20".into(), "3000".into()];
        let ended = retake().round_trip("recording", OFTEN, &command);
        assert!(ended.good().output().contains(", handled"));
    }
}
