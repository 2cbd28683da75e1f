//! What exact places cost in replay: each program bound to one CPU by itself, replayed natively, and verified
//! with all code run from the code cache; and recordings with events in the middle of hot code.
//!
//! `cargo bench -p retake-cli --bench translated [-- NAME…]` prints two markdown tables. The cache is cold: each run
//! translates anew.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

mod measure;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use measure::{duration, median, megabytes};
use retake_testkit::{Retake, find, fixture};

fn source(name: &str) -> String {
    fixture::source(name).to_string_lossy().into_owned()
}

fn compiled(name: &str, flags: &[&str]) -> String {
    fixture::c(name, flags).to_string_lossy().into_owned()
}

fn selected(name: &str) -> bool {
    let mut filters = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    filters.peek().is_none() || filters.any(|filter| name.contains(&filter))
}

fn time(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
    started.elapsed()
}

/// Native on one CPU, replayed, and verified from the cache, in turn.
fn row(retake: &Retake, name: &str, program: &[&str]) {
    if !selected(name) || (!program[0].starts_with('/') && find(program[0]).is_none()) {
        return;
    }
    let owned: Vec<String> = program.iter().map(|word| (*word).to_owned()).collect();
    let bound = ["taskset", "-c", "0"].map(str::to_owned);
    let bound: Vec<String> = bound.into_iter().chain(owned.iter().cloned()).collect();
    let (run, dir) = measure::recorded(retake, &owned, &[]);
    let recorded = run.took;
    let Some(made) = run.recording else { return };
    let (mut native, mut replayed, mut translated) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..measure::rounds() {
        native.push(measure::native(retake, &bound).took);
        replayed.push(time(retake.command(["replay"]).arg(&dir)));
        let verify = ["verify", "-j1", "--translated"];
        translated.push(time(retake.command(verify).arg(&dir)));
    }
    let (native, replayed, translated) = (median(native), median(replayed), median(translated));
    let ratio = |time: Duration| time.as_secs_f64() / native.as_secs_f64();
    println!(
        "| {name} | {} | {} | {} | {} | {} | {:.2} | {} | {:.2} |",
        duration(native),
        duration(recorded),
        made.events,
        format_args!("{} in {}", made.checkpoints, megabytes(made.bytes)),
        duration(replayed),
        ratio(replayed),
        duration(translated),
        ratio(translated),
    );
}

fn main() {
    if !measure::wanted() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    println!(
        "| program | native, one CPU | recorded | events | checkpoints | replayed | ratio | all from the \
         cache | ratio |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let sql = format!(".read {}", source("sql/bench.sql"));
    row(&retake, "sqlite3, in memory", &["sqlite3", ":memory:", &sql]);
    row(&retake, "python3", &["python3", &source("python/bench.py")]);
    row(&retake, "perl", &["perl", &source("perl/bench.pl")]);
    row(&retake, "node", &["node", &source("node/bench.js")]);
    row(&retake, "gcc -O2", &["gcc", "-O2", "-c", &source("c/compiled.c"), "-o", "compiled.o"]);
    let shifts = compiled("c/hot/shifts.c", &["-O1"]);
    row(&retake, "three shifts, 50 signals a second", &[&shifts, "500000000", "20000"]);
    let recursion = compiled("c/fib_alarm.c", &["-O1"]);
    row(&retake, "recursion, 100 signals a second", &[&recursion, "40"]);
    let clocks = compiled("c/hot/clock_spin.c", &["-O1"]);
    row(&retake, "two million clock reads", &[&clocks]);
}
