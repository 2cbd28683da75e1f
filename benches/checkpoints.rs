//! What checkpoints cost, and how fast they come back: a program with 200 MB, of which it writes 20 MB
//! a second.
//!
//! `cargo bench -p retake-cli --bench checkpoints` records it with a checkpoint every second and with
//! none, in turn, and then goes to every checkpoint of the last recording.
//!
//! As in `recording.rs` the runs alternate, which criterion cannot do; restoring is measured in the
//! same process that keeps the recording open, as a debugger does.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

mod measure;

use std::path::Path;
use std::time::{Duration, Instant};

use measure::{Made, Run, duration, median, megabytes};
use retake_execution::Execution;
use retake_model::Position;
use retake_recording::Recording;
use retake_replayer::{Control, Timeline};
use retake_testkit::{Retake, fixture};

/// How long the program runs, in its own seconds.
const LENGTH: &str = "10";

fn main() {
    if !measure::wanted() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let dirty = fixture::c("c/dirty.c", &["-O2"]).to_string_lossy().into_owned();
    let program = [dirty, LENGTH.to_owned()];
    let (mut native, mut without, mut with) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..measure::rounds().min(5) {
        native.push(measure::native(&retake, &program));
        without.push(measure::recorded(&retake, &program, &["--checkpoint-every", "1h"]).0);
        let (run, dir) = measure::recorded(&retake, &program, &["--checkpoint-every", "1s"]);
        with.push(run);
        last = Some(dir);
    }
    println!("| 200 MB, 20 MB/s written | time | of fastest | events | checkpoints | recording |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    row("native", &native, &without);
    row("recorded, no checkpoints", &without, &without);
    row("recorded, one a second", &with, &without);
    if let Some(dir) = last {
        restores(&dir);
    }
}

fn row(name: &str, runs: &[Run], base: &[Run]) {
    let fastest =
        |runs: &[Run]| runs.iter().map(|run| run.took.as_secs_f64()).fold(f64::MAX, f64::min);
    let made = |value: fn(&Made) -> u64| {
        let values: Vec<u64> =
            runs.iter().filter_map(|run| run.recording.as_ref()).map(value).collect();
        (!values.is_empty()).then(|| median(values))
    };
    println!(
        "| {name} | {} | {:+.1} % | {} | {} | {} |",
        duration(median(runs.iter().map(|run| run.took))),
        (fastest(runs) / fastest(base) - 1.0) * 100.0,
        made(|made| made.events).map_or_else(String::new, |n| n.to_string()),
        made(|made| made.checkpoints).map_or_else(String::new, |n| n.to_string()),
        made(|made| made.bytes).map_or_else(String::new, megabytes),
    );
}

/// Goes to every checkpoint, in an order that never lets the replay run from one to the next.
fn restores(dir: &Path) {
    let started = Instant::now();
    let recording = Recording::open(dir).expect("the recording can be read");
    let opened = started.elapsed();
    let mut timeline =
        Timeline::open(recording, Control::default()).expect("the recording can be replayed");
    let checkpoints = timeline.checkpoints();
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..3 {
        for checkpoint in checkpoints.iter().rev() {
            let started = Instant::now();
            let to = Position::at_event(checkpoint.event);
            timeline.seek(to).expect("every checkpoint can be restored");
            times.push(started.elapsed());
        }
    }
    if times.is_empty() {
        return;
    }
    println!(
        "\nrestoring any of its {} checkpoints: the first time {}; min {}, median {}, max {}; opening the \
         recording: {}",
        checkpoints.len(),
        duration(times.first().copied().unwrap_or_default()),
        duration(times.iter().min().copied().unwrap_or_default()),
        duration(median(times.iter().copied())),
        duration(times.iter().max().copied().unwrap_or_default()),
        duration(opened),
    );
}
