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
use std::time::{Duration, Instant};

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

/// A folder with many files.
const INCLUDES: &str = "/usr/include";
/// Starts of a program.
const LOOP: &str = "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done";

/// What is measured, as far as this machine has it.
fn programs() -> Vec<Program> {
    let python = python().unwrap_or_else(|| "python3".to_owned());
    let sql = format!(".read {}", source("sql/bench.sql"));
    let rows = fixture::c("c/hot/calls_in_rows.c", &["-O1", "-pthread"]);
    let rows = rows.to_string_lossy().into_owned();
    let tiny = fixture::c("c/tiny_calls.c", &["-O2"]).to_string_lossy().into_owned();
    let all = [
        program("sqlite3, in memory", &["sqlite3", ":memory:", &sql]),
        program("python3", &[&python, &source("python/bench.py")]),
        program("perl", &["perl", &source("perl/bench.pl")]),
        program("node", &["node", &source("node/bench.js")]),
        program("gcc -O2", &["gcc", "-O2", "-c", &source("c/compiled.c"), "-o", "compiled.o"]),
        program("sort, find, tar, gzip", &["sh", &source("sh/bench_pipeline.sh"), "files"]),
        program("500000 calls of getppid", &[&tiny, "500000"]),
        program("500000 reads of a byte", &[&tiny, "500000", "read"]),
        program("400000 reads and writes through a pipe", &[&rows, "200000", "pipe"]),
        program("200000 stats", &[&rows, "200000", "stat"]),
        program("ls -laR", &["ls", "-laR", INCLUDES]),
        program("find", &["find", INCLUDES]),
        program("grep -r", &["grep", "-rc", "define", INCLUDES]),
        program(
            "tar, gzip",
            &["sh", "-c", &format!("tar -cf - {INCLUDES} 2>&1 | gzip -1 | wc -c")],
        ),
        program("true", &["true"]),
        program("200 × true", &["sh", "-c", LOOP]),
        program("node -e 1", &["node", "-e", "1"]),
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
        "| program | native | recorded | ratio | of fastest | replayed | ratio | events | checkpoints | recording |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for program in programs() {
        let (mut native, mut recorded) = (Vec::<Run>::new(), Vec::<Run>::new());
        let mut replayed = Vec::new();
        // The first round fills caches, and keeps the program's files in the store.
        for round in 0..=measure::rounds() {
            let alone = measure::native(&retake, &program.command);
            let (run, dir) = measure::recorded(&retake, &program.command, &[]);
            let started = Instant::now();
            let code = retake.replay(&dir).code();
            if round > 0 {
                replayed.push(started.elapsed());
                native.push(alone);
                recorded.push(run);
            }
            assert!(code < 125, "{}: the replay exits with {code}", program.name);
        }
        row(&program, &native, &recorded, &replayed);
    }
}

fn row(program: &Program, native: &[Run], recorded: &[Run], replayed: &[Duration]) {
    let times = |runs: &[Run]| -> Vec<_> { runs.iter().map(|run| run.took).collect() };
    let (native, taken) = (times(native), times(recorded));
    let (middle, middle_recorded) = (median(native.clone()), median(taken.clone()));
    let middle_replayed = median(replayed.to_vec());
    let fastest = |times: &[Duration]| times.iter().min().map_or(0.0, |t| t.as_secs_f64());
    let made = |value: fn(&Made) -> u64| {
        median(recorded.iter().filter_map(|run| run.recording.as_ref()).map(value))
    };
    println!(
        "| {} | {} | {} | {:.2} | {:.2} | {} | {:.2} | {} | {} | {} |",
        program.name,
        duration(middle),
        duration(middle_recorded),
        middle_recorded.as_secs_f64() / middle.as_secs_f64(),
        fastest(&taken) / fastest(&native),
        duration(middle_replayed),
        middle_replayed.as_secs_f64() / middle.as_secs_f64(),
        made(|made| made.events),
        made(|made| made.checkpoints),
        megabytes(made(|made| made.bytes)),
    );
}
