//! How long `retake hunt` takes to find failures that are rare natively: runs and time until the first one.
//!
//! `cargo bench -p retake-cli --bench hunts [-- NAME…]` prints a markdown table: medians of the rounds (five unless
//! `RETAKE_BENCH_ROUNDS` says otherwise). Each recording that was kept is replayed 20 times, to the same failure.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

#[expect(dead_code, reason = "what runs of programs need")]
mod measure;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use measure::{duration, median};
use retake_testkit::{Retake, fixture};

/// How long a hunt may take.
const LIMIT: &str = "120s";
/// How often a program runs natively, to see how rare its failure is.
const NATIVE: usize = 200;
/// A native run that takes longer has met a deadlock.
const HANGS: Duration = Duration::from_secs(5);
const REPLAYS: usize = 20;

/// What one hunt did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hunted {
    took: Duration,
    runs: u32,
}

fn fails_natively(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return !status.success();
        }
        if started.elapsed() > HANGS {
            child.kill().expect("a child can be killed");
            let _ = child.wait().expect("a child can be waited for");
            return true;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// The number of the run that failed: `run 12 (--chaos --seed 7): …`.
fn runs(output: &str) -> Option<u32> {
    let found = output.lines().find_map(|line| line.strip_prefix("run "))?;
    found.split_whitespace().next()?.parse().ok()
}

/// Hunts once. None if nothing was found in time.
fn hunt(program: &Path) -> Option<Hunted> {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let started = Instant::now();
    let ended = retake_testkit::finish({
        let mut command = retake.command(["hunt", "--for", LIMIT, "--"]);
        command.arg(program);
        command
    });
    let took = started.elapsed();
    let runs = runs(&ended.output()).filter(|_| ended.code() == 0)?;
    let name = program.file_name().expect("a program has a name").to_string_lossy();
    let kept = format!("{name}-1");
    let first = retake.run(["replay", &kept]);
    for _ in 1..REPLAYS {
        let again = retake.run(["replay", &kept]);
        let same = again.code() == first.code() && again.output() == first.output();
        assert!(same, "{kept} replays differently: {}", again.errors());
    }
    Some(Hunted { took, runs })
}

fn row(name: &str, program: &Path) {
    let mut filters = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    if filters.peek().is_some() && !filters.any(|filter| name.contains(&filter)) {
        return;
    }
    let native = (0..NATIVE).filter(|_| fails_natively(program)).count();
    let hunts: Vec<Option<Hunted>> = (0..measure::rounds()).map(|_| hunt(program)).collect();
    let found: Vec<Hunted> = hunts.iter().flatten().copied().collect();
    print!("| {name} | {native} of {NATIVE} | {} of {} ", found.len(), hunts.len());
    if found.is_empty() {
        println!("| | | |");
        return;
    }
    let runs = median(found.iter().map(|hunted| hunted.runs));
    let times = || found.iter().map(|hunted| hunted.took);
    let longest = times().max().unwrap_or_default();
    println!("| {runs} | {} | {} |", duration(median(times())), duration(longest));
}

fn main() {
    if !measure::wanted() {
        return;
    }
    println!("| failure | natively | found | runs | time | longest |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let c = |name, flags: &[&str]| -> PathBuf { fixture::c(name, flags) };
    row("a counter in a loop", &c("c/hot/race_loop.c", &["-O0"]));
    row("two threads that seldom overlap", &c("c/race.c", &[]));
    row("a deadlock by lock order", &c("c/hunt/deadlock.c", &[]));
    row("a lost wake-up", &c("c/hunt/lost_wakeup.c", &[]));
    row("use after free, C++", &fixture::cpp("cpp/hunt/freed.cpp"));
    row("use after free, Rust", &fixture::rust("rust/hunt/freed.rs", &["-O"]));
    row("a Rust test, once in 200 runs", &fixture::rust("rust/hunt/one_in_200.rs", &["--test"]));
}
