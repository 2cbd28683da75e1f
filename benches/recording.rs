//! What recording costs: each program by itself and recorded, in turn, in one run.
//!
//! `cargo bench -p retake-cli --bench recording [-- NAME…]` prints a markdown table;
//! `RETAKE_BENCH_ROUNDS=15` makes more rounds. On a machine that does other things at the same time
//! look at the ratio of the fastest runs.
//!
//! Criterion is no fit here: it times one function after the other, and what drifts in between
//! (other load, clock speed, caches) would end up in the ratio of the two, which is the figure that
//! counts. So the runs alternate.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

mod measure;

use std::process::Command;

use measure::{Made, Run, duration, median, megabytes};
use retake_testkit::{Retake, find, fixture};

fn source(name: &str) -> String {
    fixture::source(name).to_string_lossy().into_owned()
}

/// A program and its arguments.
struct Program {
    name: &'static str,
    command: Vec<String>,
}

fn program(name: &'static str, command: &[&str]) -> Program {
    Program { name, command: command.iter().map(|word| (*word).to_owned()).collect() }
}

/// Whether what is called `name` was asked for: by a part of its name, or by naming nothing.
fn selected(name: &str) -> bool {
    let mut filters = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    filters.peek().is_none() || filters.any(|filter| name.contains(&filter))
}

/// Python itself: what is on `PATH` may be a script that looks for it.
fn python() -> Option<String> {
    let python = find("python3")?;
    let output =
        Command::new(python).args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// What is measured, as far as this machine has it.
fn programs() -> Vec<Program> {
    let python = python().unwrap_or_else(|| "python3".to_owned());
    let sql = format!(".read {}", source("sql/bench.sql"));
    let tiny = fixture::c("c/tiny_calls.c", &["-O2"]).to_string_lossy().into_owned();
    let all = [
        program("sqlite3, in memory", &["sqlite3", ":memory:", &sql]),
        program("python3", &[&python, &source("python/bench.py")]),
        program("perl", &["perl", &source("perl/bench.pl")]),
        program("node", &["node", &source("node/bench.js")]),
        program("gcc -O2", &["gcc", "-O2", "-c", &source("c/compiled.c"), "-o", "compiled.o"]),
        program("sort, find, tar, gzip", &["sh", &source("sh/bench_pipeline.sh"), "files"]),
        program("500000 calls of getppid", &[&tiny, "500000"]),
        program("100000 reads of a byte", &[&tiny, "100000", "read"]),
    ];
    let here = |program: &Program| {
        let tool = program.command.first().map(String::as_str).unwrap_or_default();
        tool.starts_with('/') || find(tool).is_some()
    };
    all.into_iter().filter(|program| here(program) && selected(program.name)).collect()
}

fn main() {
    if !measure::wanted() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let mut files = Command::new("sh");
    files.arg(source("sh/bench_files.sh")).arg(retake.path("files"));
    retake_testkit::finish(files).good();
    println!(
        "| program | native | recorded | ratio | of fastest | events | checkpoints | recording |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for program in programs() {
        let (mut native, mut recorded): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
        // The first round fills caches, and keeps the program's files in the store.
        for round in 0..=measure::rounds() {
            let pair = (
                measure::native(&retake, &program.command),
                measure::recorded(&retake, &program.command, &[]).0,
            );
            if round > 0 {
                native.push(pair.0);
                recorded.push(pair.1);
            }
        }
        row(&program, &native, &recorded);
    }
}

fn row(program: &Program, native: &[Run], recorded: &[Run]) {
    let times = |runs: &[Run]| -> Vec<_> { runs.iter().map(|run| run.took).collect() };
    let (native, taken) = (times(native), times(recorded));
    let (middle, middle_recorded) = (median(native.clone()), median(taken.clone()));
    let fastest =
        |times: &[std::time::Duration]| times.iter().min().map_or(0.0, |t| t.as_secs_f64());
    let made = |value: fn(&Made) -> u64| {
        median(recorded.iter().filter_map(|run| run.recording.as_ref()).map(value))
    };
    println!(
        "| {} | {} | {} | {:.2} | {:.2} | {} | {} | {} |",
        program.name,
        duration(middle),
        duration(middle_recorded),
        middle_recorded.as_secs_f64() / middle.as_secs_f64(),
        fastest(&taken) / fastest(&native),
        made(|made| made.events),
        made(|made| made.checkpoints),
        megabytes(made(|made| made.bytes)),
    );
}
