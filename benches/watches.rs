//! Who wrote a value, backwards from the end of a program that computes for ten seconds and wrote it once.
//!
//! `cargo bench -p retake-cli --bench watches` records the program and prints a markdown table: medians of the
//! rounds (three unless `RETAKE_BENCH_ROUNDS` says otherwise). `RETAKE_BENCH_LENGTH` is the rounds of 10 ms that the program
//! computes (700). The 300 bytes have a page of their own: where what is written all the time lies beside them, each write
//! there is a fault of 100 µs.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

#[path = "measure/debugger.rs"]
mod debugger;
#[expect(dead_code, reason = "what runs of programs need")]
mod measure;

use std::path::Path;
use std::time::Duration;

use debugger::Debugger;
use measure::{duration, median};
use retake_testkit::{Retake, fixture};

const SOURCE: &str = "c/hot/written_once.c";
const ROUNDS: usize = 3;

/// Back from the end to the only write, which is on a line.
fn back(retake: &Retake, dir: &Path, watch: &str, movement: &str, line: u64) -> Duration {
    let mut debugger = Debugger::start(retake, dir);
    debugger.ask("goto end");
    if !watch.is_empty() {
        let (set, _) = debugger.ask(watch);
        assert!(set["error"].is_null(), "{set}");
    }
    let (stop, took) = debugger.ask(movement);
    assert_eq!(stop["data"]["reasons"], serde_json::json!(["watch"]), "{stop}");
    // The 300 bytes are written by a function of the library, from this line.
    let (stack, _) = debugger.ask("stack");
    let frames = stack["data"].as_array().expect("frames");
    let lines: Vec<_> = frames.iter().map(|frame| &frame["place"]["source"]["line"]).collect();
    assert!(lines.contains(&&line.into()), "{line} is not in {stack}");
    took
}

fn row(what: &str, native: Duration, tries: impl Fn() -> Duration) {
    let rounds =
        if std::env::var_os("RETAKE_BENCH_ROUNDS").is_some() { measure::rounds() } else { ROUNDS };
    let mut all: Vec<Duration> = (0..rounds).map(|_| tries()).collect();
    all.sort();
    let most = all.last().copied().unwrap_or_default();
    println!("| {what} | {} | {} | {} |", duration(native), duration(median(all)), duration(most));
}

fn main() {
    if !measure::wanted() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c(SOURCE, &["-O1"]).to_string_lossy().into_owned();
    let length = std::env::var("RETAKE_BENCH_LENGTH").unwrap_or_else(|_| "700".to_owned());
    let program = [program, length];
    let native = measure::native(&retake, &program).took;
    let (dir, ended) = retake.record("recording", &[], &program);
    let printed = ended.output();
    let mut words = printed.split_whitespace();
    let (Some(once), Some(wide)) = (words.next(), words.next()) else { panic!("{printed}") };
    let line = |mark| u64::from(fixture::line_of(SOURCE, mark));
    println!("| back from the end | native | median | at most |");
    println!("| --- | ---: | ---: | ---: |");
    let (watch, last) = (format!("watch -w {once}"), format!("last {once}"));
    row("watch of 8 bytes, rewind", native, || back(&retake, &dir, &watch, "rewind", line("once")));
    row("last of 8 bytes", native, || back(&retake, &dir, "", &last, line("once")));
    let (watch, last) = (format!("watch -w -size 300 {wide}"), format!("last -size 300 {wide}"));
    row("watch of 300 bytes, rewind", native, || {
        back(&retake, &dir, &watch, "rewind", line("wide"))
    });
    row("last of 300 bytes", native, || back(&retake, &dir, "", &last, line("wide")));
}
