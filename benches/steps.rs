//! Single steps, backwards and forwards again, from random moments of six recordings.
//!
//! `cargo bench -p retake-cli --bench steps` records a loop of seconds in C, and programs in C++, Rust, Go,
//! JavaScript and with several threads. From each it takes `RETAKE_BENCH_MOMENTS` moments (200), steps back, and
//! forth: position, registers and memory must be the same again.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench fails by panicking")]

#[expect(dead_code, reason = "what runs of programs need")]
mod measure;
#[path = "measure/moments.rs"]
mod moments;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use measure::{duration, median};
use moments::{Random, moments};
use retake_execution::{
    Direction, Execution, RunPlan, Site, SiteId, SiteTarget, State, Stop, StopReason,
};
use retake_model::{Addr, EventIndex, Position, Registers, TaskId};
use retake_recording::Recording;
use retake_replayer::{Control, Timeline};
use retake_testkit::{Retake, fixture};

const PAGE: usize = 4096;
/// Pages of each mapping that are compared.
const PAGES: usize = 64;
/// From an event on, so many instructions at most.
const AHEAD: u64 = 300;

/// How the moments of a recording are chosen.
enum Moments {
    /// Some instructions after an event.
    AfterEvents,
    /// Arrivals at a place, of which there are so many.
    Arrivals(Addr, u64),
}

#[derive(Debug, PartialEq)]
struct Seen {
    position: Position,
    registers: Registers,
    memory: u64,
}

fn look(timeline: &Timeline, task: TaskId) -> Option<Seen> {
    let registers = timeline.registers(task).ok()?;
    let mut hasher = DefaultHasher::new();
    let mut page = [0_u8; PAGE];
    for mapping in timeline.mappings(task).ok()? {
        for addr in mapping.range.pages().take(PAGES).map(|page| page.addr()) {
            if timeline.read_memory(task, addr, &mut page).is_ok() {
                page.hash(&mut hasher);
            }
        }
    }
    Some(Seen { position: timeline.position(), registers, memory: hasher.finish() })
}

fn step(timeline: &mut Timeline, task: TaskId, direction: Direction, count: u64) -> Stop {
    let count = NonZeroU64::new(count).expect("some");
    let stop = timeline.run(&RunPlan::steps(direction, task, count), None);
    stop.unwrap_or_else(|error| panic!("{direction:?} from {}: {error}", timeline.position()))
}

fn go(timeline: &mut Timeline, moments: &Moments, random: &mut Random) -> Option<TaskId> {
    match moments {
        Moments::AfterEvents => {
            let events = timeline.event_count().get();
            let event = EventIndex::new(1 + random.below(events.saturating_sub(2)));
            timeline.seek(Position::at_event(event)).expect("a moment");
            let task = timeline.current_task();
            timeline.registers(task).ok()?;
            let ahead = 1 + random.below(AHEAD);
            step(timeline, task, Direction::Forward, ahead);
            Some(task)
        }
        Moments::Arrivals(pc, arrivals) => {
            timeline.seek(Position::at_event(EventIndex::new(1))).expect("the start");
            let sites = [Site::new(SiteId::new(0), SiteTarget::Absolute(*pc))];
            let nth = NonZeroU64::new(1 + random.below(*arrivals)).expect("some");
            let plan = RunPlan { nth, ..RunPlan::to_sites(Direction::Forward, &sites) };
            Some(timeline.run(&plan, None).expect("an arrival").task)
        }
    }
}

fn row(name: &str, dir: &Path, moments_of: &Moments) {
    let recording = Recording::open(dir).expect("the recording can be read");
    let timeline = Timeline::open(recording, Control::default());
    let mut timeline = timeline.expect("the recording can be replayed");
    let mut random = Random(0x9e37_79b9);
    let (mut back, mut second, mut forth) = (Vec::new(), Vec::new(), Vec::new());
    while back.len() < moments() {
        let Some(task) = go(&mut timeline, moments_of, &mut random) else { continue };
        let Some(before) = look(&timeline, task) else { continue };
        if timeline.current_task() != task {
            continue;
        }
        let mut timed = |direction, times: &mut Vec<Duration>| {
            let started = Instant::now();
            let stop = step(&mut timeline, task, direction, 1);
            times.push(started.elapsed());
            stop
        };
        let stop = timed(Direction::Backward, &mut back);
        if stop.reasons.contains(&StopReason::Start) {
            back.pop();
            continue;
        }
        let stop = timed(Direction::Forward, &mut forth);
        if !stop.reasons.contains(&StopReason::Stepped) {
            // It was where everything is over.
            back.pop();
            forth.pop();
            continue;
        }
        let after = look(&timeline, task);
        assert_eq!(after, Some(before), "{name}: after a step back and forth");
        step(&mut timeline, task, Direction::Backward, 1);
        let started = Instant::now();
        step(&mut timeline, task, Direction::Backward, 1);
        second.push(started.elapsed());
    }
    let most = back.iter().max().copied().unwrap_or_default();
    let (number, back, second, forth) = (back.len(), median(back), median(second), median(forth));
    let [back, most, second, forth] = [back, most, second, forth].map(duration);
    println!("| {name} | {number} | {back} | {most} | {second} | {forth} |");
}

fn main() {
    if !measure::wanted() {
        return;
    }
    println!("| recording | moments | back | at most | back again | forth |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let record = |name: &str, program: &Path, args: &[&str]| -> (PathBuf, String) {
        let program = program.to_string_lossy().into_owned();
        let command = [&[program.as_str()][..], args].concat();
        let (dir, ended) = retake.record(name, &[], &command);
        (dir, ended.output())
    };
    let (turns, between) = ("2000000000", "1000");
    let (dir, output) = record("c", &fixture::c("c/hot/bursts.c", &["-O2"]), &[turns, between]);
    let first = output.lines().next().and_then(|line| line.strip_prefix("0x"));
    let pc = first.and_then(|text| u64::from_str_radix(text, 16).ok()).expect("an address");
    row("C, a loop of seconds", &dir, &Moments::Arrivals(Addr::new(pc), 2_000_000));
    let (dir, _) = record("cpp", &fixture::cpp("cpp/exceptions.cpp"), &[]);
    row("C++", &dir, &Moments::AfterEvents);
    let (dir, _) = record("rust", &fixture::rust("rust/threads_panic.rs", &[]), &[]);
    row("Rust", &dir, &Moments::AfterEvents);
    let (dir, _) = record("threads", &fixture::c("c/threads.c", &["-pthread"]), &[]);
    row("threads", &dir, &Moments::AfterEvents);
    if let Some(program) = fixture::go("steps", "go/goroutines.go") {
        let (dir, _) = record("go", &program, &[]);
        row("Go", &dir, &Moments::AfterEvents);
    }
    let node = Path::new("/usr/bin/node");
    if node.exists() {
        let script = fixture::source("node/mix.js").to_string_lossy().into_owned();
        let (dir, _) = record("node", node, &[&script]);
        row("node", &dir, &Moments::AfterEvents);
    }
}
