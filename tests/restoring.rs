//! Going from checkpoint to checkpoint: processes that are there are reused, and must show what fresh
//! ones do.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use retake_execution::{
    CheckpointInfo, Direction, Execution, RunPlan, Site, SiteId, SiteTarget, State,
};
use retake_model::{Addr, Position};
use retake_recording::Recording;
use retake_replayer::{Control, Timeline};
use retake_testkit::{Retake, fixture, require};

const PAGE: usize = 4096;
/// As many checkpoints as there can be: the programs are short.
const ALWAYS: &[&str] = &["--checkpoint-every", "1ms"];

fn open(dir: &Path) -> Timeline {
    let recording = Recording::open(dir).expect("the recording can be read");
    Timeline::open(recording, Control::default()).expect("the recording can be replayed")
}

fn go(timeline: &mut Timeline, to: &CheckpointInfo) {
    let stop = timeline.seek(Position::at_event(to.event));
    stop.unwrap_or_else(|error| panic!("checkpoint {}: {error}", to.index));
}

/// All tasks with their registers, all mappings, and the contents of all memory, as lines.
fn state(timeline: &Timeline) -> Vec<String> {
    let mut lines = Vec::new();
    let mut seen = Vec::new();
    for task in timeline.tasks() {
        lines.push(format!("{task:?} {:?}", timeline.registers(task.task)));
        if seen.contains(&task.space) {
            continue;
        }
        seen.push(task.space);
        for mapping in timeline.mappings(task.task).expect("a living task") {
            let mut page = [0_u8; PAGE];
            // What lies behind the end of a file cannot be read.
            let mut contents = |addr: Addr| {
                timeline.read_memory(task.task, addr, &mut page).ok().map(|()| {
                    let mut hasher = DefaultHasher::new();
                    page.hash(&mut hasher);
                    hasher.finish()
                })
            };
            // Memory that was only reserved can be large.
            let pages: Vec<_> =
                mapping.range.pages().take(10_000).map(|page| contents(page.addr())).collect();
            lines.push(format!("{mapping:?} {pages:x?}"));
        }
    }
    lines
}

/// Records a program, and travels between its checkpoints in all distances, forwards and backwards,
/// with detours in between that change memory and put breakpoints into it.
#[track_caller]
fn travel(command: &[&str]) {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    // How many checkpoints there are depends on the machine: short programs may need another try.
    let recorded = |n: u32| {
        let (dir, _) = retake.record(&format!("recording-{n}"), ALWAYS, command);
        let traveller = open(&dir);
        (traveller.checkpoints().len() > 1).then_some((dir, traveller))
    };
    let (dir, mut traveller) = (0..50).find_map(recorded).expect("two checkpoints");
    let mut checkpoints = traveller.checkpoints();
    // The first ones and the last ones: what lies between is like them.
    while checkpoints.len() > 10 {
        checkpoints.remove(checkpoints.len() / 2);
    }
    let fresh: Vec<_> = checkpoints
        .iter()
        .map(|checkpoint| {
            let mut timeline = open(&dir);
            go(&mut timeline, checkpoint);
            state(&timeline)
        })
        .collect();
    let mut at = 0;
    for distance in 1..checkpoints.len() {
        for detour in [false, true] {
            if detour {
                let pc = traveller.registers(traveller.current_task()).expect("registers").pc();
                let target = SiteTarget::Absolute(pc);
                let sites = [Site::new(SiteId::new(0), target)];
                traveller
                    .run(&RunPlan::to_sites(Direction::Forward, &sites), None)
                    .expect("there is a next stop");
            }
            at = (at + distance) % checkpoints.len();
            let (Some(to), Some(expected)) = (checkpoints.get(at), fresh.get(at)) else { continue };
            go(&mut traveller, to);
            let found = state(&traveller);
            assert_eq!(found.len(), expected.len(), "checkpoint {}", to.index);
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found, expected, "checkpoint {}", to.index);
            }
        }
        // What may be accessed, and what faults, shows when it runs on.
        let end = Position::at_event(traveller.event_count());
        traveller.seek(end).unwrap_or_else(|error| panic!("from checkpoint {at}: {error}"));
    }
}

fn travel_in_c(name: &str, args: &[&str]) {
    let program = fixture::c(name, &["-pthread"]).to_string_lossy().into_owned();
    travel(&[&[program.as_str()][..], args].concat());
}

#[test]
fn threads() {
    travel_in_c("c/threads.c", &[]);
}

#[test]
fn processes() {
    travel_in_c("c/vforks.c", &[]);
    travel_in_c("c/shared_by_children.c", &[]);
    travel_in_c("c/fork_tree.c", &[]);
}

#[test]
fn memory_of_all_kinds() {
    travel_in_c("c/memory/shared_files.c", &[]);
    travel_in_c("c/memory/private_files.c", &[]);
    travel_in_c("c/memory/ranges.c", &[]);
    travel_in_c("c/memory/comes_and_goes.c", &[]);
    travel_in_c("c/memory/moved_seam.c", &[]);
}

#[test]
fn much_memory() {
    travel_in_c("c/dirty.c", &["0.3"]);
}

#[test]
fn a_shell_with_its_children() {
    if require("a_shell_with_its_children", "sort").is_some() {
        let script = "for i in 1 2 3 4 5 6; do seq 20000 | sort -r | tail -n 1; done";
        travel(&["sh", "-c", script]);
    }
}

#[test]
fn code_that_is_made_at_run_time() {
    if require("code_that_is_made_at_run_time", "node").is_some() {
        let script = "let n = 0; for (let i = 0; i < 3e6; i++) n = (n * 31 + i) % 65537; \
                      console.log(n, Date.now())";
        travel(&["node", "-e", script]);
    }
}
