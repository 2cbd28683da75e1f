//! How long scripts in CI take: 120 breakpoints from a file, and an assertion on each of them.
//!
//! `cargo bench -p retake-cli --bench scripts` prints a markdown table: medians of the rounds (five unless
//! `RETAKE_BENCH_ROUNDS` says otherwise), from the start of `retake debug --batch --junit` to its end. One script
//! asserts how often each is hit over a short recording; the other goes from one to the next through two seconds of
//! computing and asserts a variable at each.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

#[expect(dead_code, reason = "what runs of programs need")]
mod measure;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use measure::{duration, median};
use retake_testkit::{Retake, fixture};

const BREAKPOINTS: usize = 120;

/// Runs a script, which must end well with so many test cases.
fn run(retake: &Retake, dir: &Path, script: &str) -> Duration {
    let junit = retake.path("results.xml");
    let options = ["--junit", junit.to_str().expect("a path")];
    let started = Instant::now();
    retake.debug(dir, &options, script).good();
    let took = started.elapsed();
    let xml = fs::read_to_string(&junit).expect("results");
    let passed = format!("tests=\"{BREAKPOINTS}\" failures=\"0\" errors=\"0\"");
    assert!(xml.contains(&passed), "{xml}");
    took
}

fn row(name: &str, program: &[&str], points: &[String], script: &str) {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], program);
    let points: Vec<String> = points.iter().map(|point| format!("{point:?}")).collect();
    fs::write(retake.path("points.json"), format!("[{}]", points.join(","))).expect("written");
    let script = format!("source points.json\n{script}");
    let took = median((0..measure::rounds()).map(|_| run(&retake, &dir, &script)));
    println!("| {name} | {BREAKPOINTS} | {} |", duration(took));
}

fn main() {
    if !measure::wanted() {
        return;
    }
    println!("| script | breakpoints | wall time |");
    println!("| --- | ---: | ---: |");
    let calls = fixture::c("c/calls.c", &[]);
    let points: Vec<String> = (0..BREAKPOINTS).map(|n| format!("work if $rip != {n}")).collect();
    let script: Vec<String> =
        (1..=BREAKPOINTS).map(|n| format!("assert $hits({n}) == 20")).collect();
    row(
        "how often each is hit, 20 hits each",
        &[calls.to_str().expect("a path")],
        &points,
        &script.join("\n"),
    );
    let computes = fixture::c("c/computes.c", &["-O1"]);
    let points: Vec<String> = (1..=BREAKPOINTS).map(|n| format!("mix if round == {n}")).collect();
    let script: Vec<String> =
        (1..=BREAKPOINTS).map(|n| format!("continue\nassert round == {n}")).collect();
    row(
        "from each to the next, over two seconds of computing",
        &[computes.to_str().expect("a path")],
        &points,
        &script.join("\n"),
    );
}
