//! Who wrote a value: watches in both directions.

use retake_testkit::{Retake, fixture};
use serde_json::Value;

const FILE: &str = "c/watched.c";

fn line(mark: &str) -> u64 {
    u64::from(fixture::line_of(FILE, mark))
}

/// The lines at which the commands of a script stop, with the reasons.
fn stops(retake: &Retake, dir: &std::path::Path, script: &str) -> Vec<(u64, String)> {
    let output = retake.debug(dir, &["--json"], script).good().output();
    let stop = |text: &str| {
        let value: Value = serde_json::from_str(text).ok()?;
        let data = &value["data"];
        data["position"].as_str()?;
        let line = data["place"]["source"]["line"].as_u64().unwrap_or(0);
        Some((line, data["reasons"].to_string()))
    };
    output.lines().filter_map(stop).collect()
}

#[test]
fn the_last_write_is_found() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(FILE, &["-g", "-O0", "-no-pie"]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    let printed = recorded.output();
    let mut words = printed.split_whitespace();
    let (Some(once), Some(block)) = (words.next(), words.next()) else {
        panic!("{printed}");
    };

    let found = stops(&retake, &dir, &format!("goto end\nlast {once}"));
    assert_eq!(found[1], (line("once"), "[\"watch\"]".to_owned()), "{found:?}");

    let script = format!("goto end\nlast {block}\nlast {block}\nlast {block}");
    let found = stops(&retake, &dir, &script);
    // The kernel wrote last, for a call in libc; before that a string instruction or a loop of memset.
    let reasons: Vec<&str> = found[1..3].iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons, ["[\"watch\"]"; 2], "{found:?}");
    let where_from = |n: usize| {
        let lasts = format!("last {block}\n").repeat(n);
        let script = format!("goto end\n{lasts}stack");
        let output = retake.debug(&dir, &[], &script).good().output();
        let mut callers = output.lines().rev().filter(|text| text.contains(" in main "));
        callers.next().unwrap_or_default().to_owned()
    };
    assert!(where_from(1).ends_with(&format!(":{}", line("kernel"))), "{}", where_from(1));
    assert!(where_from(2).ends_with(&format!(":{}", line("string"))), "{}", where_from(2));

    // Forwards a run stops behind the write.
    let script = format!("goto start\nwatch {once}\ncontinue\nprint *(u64){once}\ncontinue");
    let output = retake.debug(&dir, &[], &script).good().output();
    assert!(output.lines().any(|text| text == "7"), "{output}");
    assert!(output.contains("watched memory was accessed"), "{output}");
    assert!(output.ends_with("(the end of the recording)\n"), "{output}");
}

#[test]
fn more_than_debug_registers_hold_is_watched() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(FILE, &["-g", "-O0", "-no-pie"]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    let printed = recorded.output();
    let wide = printed.split_whitespace().nth(3).expect("four words");
    // Writes beside it, on the same page, do not count.
    let script =
        format!("goto end\nlast -size 300 {wide}\nlast -size 300 {wide}\nlast -size 300 {wide}");
    let found: Vec<u64> = stops(&retake, &dir, &script).into_iter().map(|(at, _)| at).collect();
    assert_eq!(found[1..3], [line("wide"), line("wide") - 1], "{found:?}");
    let start = "goto start\nwatch -w -size 300";
    let script = format!("{start} {wide}\ncontinue\ncontinue\nprint *(u8)({wide}+299)\ncontinue");
    let output = retake.debug(&dir, &[], &script).good().output();
    assert_eq!(output.matches("watched memory was accessed").count(), 2, "{output}");
    assert!(output.lines().any(|text| text == "2"), "{output}");
    assert!(output.ends_with("(the end of the recording)\n"), "{output}");
}

/// Each write to the page would be a stop: there are fifty million.
#[test]
fn memory_beside_what_is_written_all_the_time() {
    const BUSY: &str = "c/hot/busy_page.c";
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(BUSY, &["-O1"]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    let printed = recorded.output();
    let wide = printed.lines().next().expect("a line");
    let write = u64::from(fixture::line_of(BUSY, "wide"));
    let found =
        stops(&retake, &dir, &format!("goto end\nlast -size 300 {wide}\nlast -size 300 {wide}"));
    assert_eq!(found[1], (write, "[\"watch\"]".to_owned()), "{found:?}");
    assert_eq!(found[2].1, "[\"start\"]", "{found:?}");
    // The write comes right before a jump, of which the code cache has nothing.
    let found = stops(&retake, &dir, &format!("goto end\nlast {wide}+208\nlast {wide}+208"));
    assert_eq!([found[1].0, found[2].0], [write, 0], "{found:?}");
    let script = format!("watch -w -size 300 {wide}\ncontinue\nprint *(u8)({wide}+211)\ncontinue");
    let output = retake.debug(&dir, &[], &format!("goto main\n{script}")).good().output();
    assert_eq!(output.matches("watched memory was accessed").count(), 1, "{output}");
    assert!(output.lines().any(|text| text == "1"), "{output}");
    assert!(output.ends_with("(the end of the recording)\n"), "{output}");
}

#[test]
fn reads_of_more_than_debug_registers_hold_are_found() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(FILE, &["-g", "-O0", "-no-pie"]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    let printed = recorded.output();
    let wide = printed.split_whitespace().nth(3).expect("four words");
    let watch = format!("watch -rw -size 300 {wide}");
    let found = stops(&retake, &dir, &format!("goto start\n{watch}\n{}", "continue\n".repeat(4)));
    let lines: Vec<u64> = found.iter().skip(1).map(|(at, _)| *at).collect();
    // A run forwards stops behind the access, which may be on the next line.
    assert_eq!(lines[0], line("wide"), "{found:?}");
    assert_eq!(lines[2], line("read"), "{found:?}");
    let found = stops(&retake, &dir, &format!("goto end\n{watch}\n{}", "rewind\n".repeat(4)));
    let lines: Vec<u64> = found.iter().skip(1).map(|(at, _)| *at).collect();
    assert_eq!(lines[..3], [line("read"), line("wide"), line("wide") - 1], "{found:?}");
    assert_eq!(found[4].1, "[\"start\"]", "{found:?}");
}

#[test]
fn what_cannot_be_watched_is_said() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(FILE, &["-g", "-O0", "-no-pie"]);
    let (dir, recorded) = retake.record("recording", &[], &[program]);
    let said = |script: &str| {
        let ended = retake.debug(&dir, &[], script);
        ended.output() + &ended.errors()
    };
    assert!(said("watch 0x10").contains("no memory is mapped at 0x10"));
    let printed = recorded.output();
    let wide = printed.split_whitespace().nth(3).expect("four words");
    let reads = said(&format!("watch -rw -size 4096 {wide}\ncontinue"));
    assert!(reads.contains("reads of more than 2048 bytes"), "{reads}");
    assert!(reads.contains("watch writes only, or a part of it"), "{reads}");
    assert!(said("watch").contains("an address"));
}
