//! Searches over several intervals of a recording: on one thread, and on as many as there are CPUs.
//!
//! `cargo bench -p retake-cli --bench intervals` records a loop of some seconds with a checkpoint each second, and
//! lists the hits of a breakpoint in it, counts them, and verifies the recording.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

#[expect(dead_code, reason = "what runs of programs need")]
mod measure;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use measure::{duration, median};
use retake_execution::{Execution, Site, SiteId, SiteTarget};
use retake_model::Addr;
use retake_recording::Recording;
use retake_replayer::{Control, Pace, Timeline, verify};
use retake_testkit::{Retake, fixture};

const TURNS: &str = "7000000000";
const BETWEEN: &str = "50000";

fn timeline(dir: &Path, threads: usize) -> Timeline {
    let recording = Recording::open(dir).expect("the recording can be read");
    let timeline = Timeline::open(recording, Control::default());
    let threads = NonZeroUsize::new(threads).expect("some");
    timeline.expect("the recording can be replayed").at_once(threads)
}

fn list(dir: &Path, sites: &[Site], threads: usize) -> usize {
    let mut number = 0;
    let listed = timeline(dir, threads).look_at_hits(sites, &|_, _| None, &mut |_, _| {
        number += 1;
        ControlFlow::Continue(())
    });
    listed.expect("hits can be listed");
    number
}

fn count(dir: &Path, sites: &[Site], threads: usize) -> usize {
    let counted = timeline(dir, threads).count_hits(sites, None).expect("hits can be counted");
    usize::try_from(counted).unwrap_or(usize::MAX)
}

fn check(dir: &Path, _: &[Site], threads: usize) -> usize {
    let recording = Recording::open(dir).expect("the recording can be read");
    let report = verify(&recording, &Control::default(), threads, Pace::Native);
    report.expect("nothing differs").intervals
}

fn main() {
    if !measure::wanted() {
        return;
    }
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/hot/bursts.c", &["-O2"]).to_string_lossy().into_owned();
    let every = ["--checkpoint-every", "1s"];
    let (dir, ended) = retake.record("recording", &every, &[&program, TURNS, BETWEEN]);
    let output = ended.good().output();
    let first = output.lines().next().and_then(|line| line.strip_prefix("0x"));
    let pc = first.and_then(|text| u64::from_str_radix(text, 16).ok()).expect("an address");
    let sites = [Site::new(SiteId::new(0), SiteTarget::Absolute(Addr::new(pc)))];
    let recording = Recording::open(&dir).expect("the recording can be read");
    println!("{} intervals\n", recording.checkpoints().len() + 1);
    println!("| what | found | one thread | all CPUs | times faster |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    row("hits", cpus, |threads| list(&dir, &sites, threads));
    row("count of hits", cpus, |threads| count(&dir, &sites, threads));
    row("verify", cpus, |threads| check(&dir, &sites, threads));
}

fn row(name: &str, cpus: usize, search: impl Fn(usize) -> usize + Sync) {
    let (mut alone, mut several, mut found) = (Vec::new(), Vec::new(), 0);
    for _ in 0..measure::rounds().min(3) {
        for (threads, times) in [(1, &mut alone), (cpus, &mut several)] {
            // A thread that has replayed stays bound to a CPU: the next search is to begin on another.
            let run = || -> (usize, Duration) {
                let started = Instant::now();
                (search(threads), started.elapsed())
            };
            let (number, took) =
                std::thread::scope(|scope| scope.spawn(run).join()).expect("it finds");
            times.push(took);
            assert!(found == 0 || found == number, "{name}: {found} and {number}");
            found = number;
        }
    }
    let (alone, several) = (median(alone), median(several));
    let faster = alone.as_secs_f64() / several.as_secs_f64();
    println!("| {name} | {found} | {} | {} | {faster:.2} |", duration(alone), duration(several));
}
