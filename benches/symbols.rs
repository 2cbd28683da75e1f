//! How soon a debugger answers the first `break`, of a program with much debug information.
//!
//! `cargo bench -p retake-cli --bench symbols` records `retake --version`, or `RETAKE_BENCH_PROGRAM` without arguments,
//! and asks debuggers with an empty cache and with a filled one. `RETAKE_BENCH_FUNCTION` is what it breaks at.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

#[expect(dead_code, reason = "what runs of programs need")]
mod measure;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use measure::{duration, median};
use retake_testkit::Retake;

/// Debuggers that are asked with a filled cache.
const LATER: usize = 5;

/// How long the answer to a command took, in a debugger that was only started.
fn ask(retake: &Retake, dir: &Path, line: &str) -> Duration {
    let mut command = retake.command(["debug", "--json", "--at", "start"]);
    command.arg(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("retake starts");
    let mut to = child.stdin.take().expect("a pipe");
    let mut from = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut answer = String::new();
    writeln!(to, "when").expect("it reads");
    from.read_line(&mut answer).expect("it answers");
    let started = Instant::now();
    writeln!(to, "{line}").expect("it reads");
    answer.clear();
    from.read_line(&mut answer).expect("it answers");
    let took = started.elapsed();
    assert!(!answer.contains("\"error\""), "{line}: {answer}");
    drop(to);
    child.wait().expect("it ends");
    took
}

fn row(retake: &Retake, dir: &Path, line: &str) {
    let cache = retake.path("cache");
    if cache.exists() {
        std::fs::remove_dir_all(&cache).expect("the cache of this bench");
    }
    let first = ask(retake, dir, line);
    let later = median((0..LATER).map(|_| ask(retake, dir, line)).collect::<Vec<_>>());
    println!("| {line} | {} | {} |", duration(first), duration(later));
}

fn main() {
    if !measure::wanted() {
        return;
    }
    let variable = |name: &str| std::env::var_os(name);
    let own = [OsString::from(env!("CARGO_BIN_EXE_retake")), OsString::from("--version")];
    let program = variable("RETAKE_BENCH_PROGRAM");
    let command = program.clone().map_or(own.to_vec(), |program| vec![program]);
    let function = variable("RETAKE_BENCH_FUNCTION").and_then(|name| name.into_string().ok());
    let size = std::fs::metadata(&command[0]).map_or(0, |about| about.len() >> 20);
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, _) = retake.record("recording", &[], &command);
    println!("{size} MiB");
    println!("| command | first time | later |");
    println!("| --- | ---: | ---: |");
    row(&retake, &dir, &format!("break {}", function.as_deref().unwrap_or("main")));
    row(&retake, &dir, "break drop_in_place");
    if program.is_none() {
        row(&retake, &dir, "break home.rs:100");
    }
}
