//! One instruction at a time: what was gone through forwards is gone through backwards.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::path::Path;

use retake_execution::{Direction, Execution, RunPlan, State, Stop};
use retake_model::{EventIndex, Place, Position, Registers, TaskId};
use retake_recording::Recording;
use retake_replayer::{Control, Timeline};
use retake_testkit::{Retake, fixture, require, rounds};

const PAGE: usize = 4096;
/// Steps that a walk takes.
const LEN: usize = 40;

fn open(dir: &Path) -> Timeline {
    let recording = Recording::open(dir).expect("the recording can be read");
    Timeline::open(recording, Control::default()).expect("the recording can be replayed")
}

/// What is seen at a moment.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    position: Position,
    registers: Registers,
    memory: u64,
}

fn look(timeline: &Timeline, task: TaskId) -> Seen {
    let mut hasher = DefaultHasher::new();
    let mut page = [0_u8; PAGE];
    for mapping in timeline.mappings(task).expect("a living task") {
        for addr in mapping.range.pages().take(512).map(|page| page.addr()) {
            if timeline.read_memory(task, addr, &mut page).is_ok() {
                page.hash(&mut hasher);
            }
        }
    }
    let registers = timeline.registers(task).expect("a living task");
    Seen { position: timeline.position(), registers, memory: hasher.finish() }
}

fn step(timeline: &mut Timeline, task: TaskId, direction: Direction, count: usize) -> Stop {
    let count = NonZeroU64::new(count as u64).expect("some");
    let stop = timeline.run(&RunPlan::steps(direction, task, count), None);
    stop.unwrap_or_else(|error| panic!("{direction:?} from {}: {error}", timeline.position()))
}

/// Walks from some moments on, and back again.
fn walk(dir: &Path, moments: usize) {
    let mut timeline = open(dir);
    let events = timeline.event_count().get();
    let mut rng = 0x9e37_79b9_7f4a_7c15_u64;
    let mut walked = 0;
    for _ in 0..moments {
        rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let event = EventIndex::new(1 + (rng >> 33) % events.saturating_sub(1).max(1));
        timeline.seek(Position::at_event(event)).expect("a moment");
        let task = timeline.current_task();
        if timeline.registers(task).is_err() {
            continue;
        }
        // Not where everything is over.
        let ahead = 1 + (rng >> 20) as usize % LEN;
        step(&mut timeline, task, Direction::Forward, ahead);
        if timeline.registers(task).is_err() {
            continue;
        }
        let mut seen = vec![look(&timeline, task)];
        for _ in 0..LEN {
            let stop = step(&mut timeline, task, Direction::Forward, 1);
            if !stop.reasons.contains(&retake_execution::StopReason::Stepped) {
                break;
            }
            if timeline.registers(task).is_err() {
                break;
            }
            seen.push(look(&timeline, task));
        }
        if let Some(last) = seen.last() {
            timeline.seek(last.position).expect("a moment that was printed");
        }
        for pair in seen.windows(2).rev() {
            let [before, after] = pair else { continue };
            assert_eq!(look(&timeline, task), *after, "{dir:?}");
            step(&mut timeline, task, Direction::Backward, 1);
            let back = look(&timeline, task);
            let what = format!("{dir:?}: back from {} of task {task}", after.position);
            // Right behind an event the task may have to wait for its turn: that is another moment.
            if matches!(before.position.place(), Place::Exact(_)) {
                assert_eq!(back, *before, "{what}");
            }
            step(&mut timeline, task, Direction::Forward, 1);
            assert_eq!(look(&timeline, task), *after, "{what} and forth");
            timeline.seek(before.position).expect("a moment that was printed");
            walked += 1;
        }
    }
    assert!(walked > moments, "{walked} steps");
}

fn record(retake: &Retake, command: &[&str], options: &[&str]) -> std::path::PathBuf {
    let (dir, _) = retake.record("recording", options, command);
    dir
}

fn in_c(name: &str, flags: &[&str], args: &[&str], moments: usize) {
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let program = fixture::c(name, flags).to_string_lossy().into_owned();
        let dir = record(&retake, &[&[program.as_str()][..], args].concat(), &[]);
        walk(&dir, moments);
    }
}

#[test]
fn calls() {
    in_c("c/calls.c", &[], &[], 12);
}

#[test]
fn threads() {
    in_c("c/threads.c", &["-pthread"], &[], 6);
}

#[test]
fn signals() {
    in_c("c/signals.c", &[], &[], 8);
}

#[test]
fn interrupted_code() {
    in_c("c/fib_alarm.c", &["-O1"], &[], 3);
}

#[test]
fn jumps_to_what_is_not_run_from_the_cache() {
    in_c("c/jumped_to.c", &["-O1"], &[], 12);
}

#[test]
fn fast_calls() {
    in_c("c/fast_calls.c", &["-pthread"], &[], 4);
}

#[test]
fn exceptions() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::cpp("cpp/exceptions.cpp").to_string_lossy().into_owned();
    walk(&record(&retake, &[&program], &[]), 4);
}

#[test]
fn rust() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::rust("rust/threads_panic.rs", &[]).to_string_lossy().into_owned();
    walk(&record(&retake, &[&program], &[]), 4);
}

#[test]
fn perl() {
    let Some(perl) = require("steps::perl", "perl") else { return };
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let perl = perl.to_string_lossy().into_owned();
    let script = "my $x = 0; $x += $_ * 3 for 1..2000; print \"$x\\n\"";
    walk(&record(&retake, &[&perl, "-e", script], &[]), 3);
}

/// Behind the last instruction of a thread is nothing to step to: it stays there.
#[test]
fn the_last_step_of_a_thread() {
    const STEPS: usize = 40;
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let ended = retake.round_trip("recording", &[], &[&fixture::c("c/joined.c", &[])]);
    assert_eq!(ended.output(), "joined\n");
    let dir = retake.path("recording");
    let events = retake.run(["events".as_ref(), dir.as_os_str()]).good().output();
    let last_call = events.lines().find(|line| line.contains("task 1 exit("));
    let event = last_call.and_then(|line| line.split_whitespace().next()).expect("its last call");
    let script = format!("goto {event}\nthread 1\n{}", "step-instruction\n".repeat(STEPS));
    let output = retake.debug(&dir, &[], &script).good().output();
    let ends: Vec<&str> = output.lines().filter(|line| line.contains("(the end of")).collect();
    assert!(ends.len() > 1 && ends.len() < STEPS, "{output}");
    assert!(ends.iter().all(|line| line.contains("thread 1") && *line == ends[0]), "{output}");
}
