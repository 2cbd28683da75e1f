//! What recording costs: each program by itself and recorded, in turn, in one run.
//!
//! `cargo bench -p retake-cli --bench recording [-- NAME…]` prints a markdown table;
//! `RETAKE_BENCH_ROUNDS=15` makes more rounds. On a machine that does other things at the same time
//! look at the ratio of the fastest runs.
//!
//! What runs on several CPUs natively is compared with its time on one, which is all that a recording has; the
//! ratio to its time on all of them stands beside it.
//!
//! Criterion is no fit here: it times one function after the other, and what drifts in between
//! (other load, clock speed, caches) would end up in the ratio of the two, which is the figure that
//! counts. So the runs alternate.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

#[path = "../measure/mod.rs"]
mod measure;
mod programs;

use std::time::{Duration, Instant};

use measure::{Made, Run, duration, median, megabytes};
use programs::{Compared, Program};
use retake_testkit::Retake;

/// Whether what is called `name` was asked for: by a part of its name, or by naming nothing.
fn selected(name: &str) -> bool {
    let mut filters = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    filters.peek().is_none() || filters.any(|filter| name.contains(&filter))
}

/// How long a program took, each time.
#[derive(Default)]
struct Times {
    /// By itself, as it is compared.
    native: Vec<Run>,
    /// By itself on all CPUs, where that is something else.
    all_cpus: Vec<Run>,
    recorded: Vec<Run>,
    replayed: Vec<Duration>,
}

fn main() {
    if !measure::wanted() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    programs::prepare(&retake);
    println!(
        "| program | native | recorded | ratio | of fastest | replayed | ratio | to all CPUs | events | checkpoints | recording |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for program in programs::here().iter().filter(|program| selected(program.name)) {
        let mut times = Times::default();
        // The first round fills caches, and keeps the program's files in the store.
        for round in 0..=measure::rounds() {
            let alone = measure::native(&retake, &program.command);
            let one_cpu = (program.compared == Compared::OneCpu)
                .then(|| measure::native(&retake, &on_one_cpu(&program.command)));
            let (run, dir) = measure::recorded(&retake, &program.command, &[]);
            let started = Instant::now();
            let code = retake.replay(&dir).code();
            assert!(code < 125, "{}: the replay exits with {code}", program.name);
            if round == 0 {
                continue;
            }
            times.replayed.push(started.elapsed());
            times.recorded.push(run);
            match one_cpu {
                Some(run) => {
                    times.native.push(run);
                    times.all_cpus.push(alone);
                }
                None => times.native.push(alone),
            }
        }
        row(program, &times);
    }
}

fn on_one_cpu(command: &[String]) -> Vec<String> {
    let taskset = ["taskset", "-c", "0"].map(str::to_owned);
    [&taskset, command].concat()
}

fn row(program: &Program, times: &Times) {
    let took = |runs: &[Run]| -> Vec<_> { runs.iter().map(|run| run.took).collect() };
    let (native, recorded) = (took(&times.native), took(&times.recorded));
    let middle = median(native.clone());
    let (middle_recorded, middle_replayed) =
        (median(recorded.clone()), median(times.replayed.iter().copied()));
    let fastest = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
    let ratio = |time: Duration, to: Duration| time.as_secs_f64() / to.as_secs_f64();
    let to_all = match times.all_cpus.is_empty() {
        true => "–".to_owned(),
        false => format!("{:.2}", ratio(middle_recorded, median(took(&times.all_cpus)))),
    };
    let made = |value: fn(&Made) -> u64| {
        median(times.recorded.iter().filter_map(|run| run.recording.as_ref()).map(value))
    };
    println!(
        "| {} | {} | {} | {:.2} | {:.2} | {} | {:.2} | {to_all} | {} | {} | {} |",
        program.name,
        duration(middle),
        duration(middle_recorded),
        ratio(middle_recorded, middle),
        ratio(fastest(&recorded), fastest(&native)),
        duration(middle_replayed),
        ratio(middle_replayed, middle),
        made(|made| made.events),
        made(|made| made.checkpoints),
        megabytes(made(|made| made.bytes)),
    );
}
