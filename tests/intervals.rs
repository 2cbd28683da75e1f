//! Intervals that are gone through beside each other: what is found is what one thread finds.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use retake_execution::{
    Direction, ErrorKind, Execution, Hit, RunPlan, Seen, Site, SiteId, SiteTarget, State,
};
use retake_model::{Addr, Position, Registers};
use retake_recording::Recording;
use retake_replayer::{Control, Timeline};
use retake_testkit::{Retake, fixture};

/// As many checkpoints as there can be: the programs are short.
const ALWAYS: &[&str] = &["--checkpoint-every", "1ms"];
/// Arrivals that are compared in backward runs.
const BACKWARD: usize = 6;

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

fn open(dir: &Path, threads: usize) -> Timeline {
    let recording = Recording::open(dir).expect("the recording can be read");
    let timeline = Timeline::open(recording, Control::default());
    let threads = NonZeroUsize::new(threads).expect("some");
    timeline.expect("the recording can be replayed").at_once(threads)
}

fn look(hit: &Hit, now: &dyn State) -> Seen {
    Some(Box::new(now.registers(hit.task).expect("whoever arrives is there")))
}

fn hits(timeline: &mut Timeline, sites: &[Site]) -> Vec<(Hit, Registers)> {
    let mut all = Vec::new();
    let listed = timeline.look_at_hits(sites, &look, &mut |hit, seen| {
        let seen = seen.expect("something was seen").downcast().expect("registers");
        all.push((hit, *seen));
        ControlFlow::Continue(())
    });
    listed.expect("hits can be listed");
    all
}

/// Stops of runs backwards from the end, and with counts from there.
fn backward(timeline: &mut Timeline, sites: &[Site]) -> Vec<(Position, Registers)> {
    let mut stops = Vec::new();
    let mut plan = RunPlan::to_sites(Direction::Backward, sites);
    for nth in [1, 1, 2, 70, 200, 3000].into_iter().take(BACKWARD) {
        plan.nth = NonZeroUsize::new(nth).and_then(|nth| nth.try_into().ok()).expect("some");
        let stop = timeline.run(&plan, None).expect("it runs");
        stops.push((stop.position, timeline.registers(stop.task).expect("registers")));
        if nth > 2 {
            timeline.seek(Position::at_event(timeline.event_count())).expect("the end");
        }
    }
    stops
}

fn site(pc: Addr) -> Site {
    Site::new(SiteId::new(0), SiteTarget::Absolute(pc))
}

/// Compares lists, counts and backward runs with one thread and with several.
#[track_caller]
fn same(dir: &Path, sites: &[Site], least: usize) {
    let mut alone = open(dir, 1);
    assert!(alone.checkpoints().len() > 1, "too few checkpoints");
    let end = Position::at_event(alone.event_count());
    let found = hits(&mut alone, sites);
    assert!(found.len() >= least, "{} hits", found.len());
    assert!(found.windows(2).all(|two| two[0].0.position < two[1].0.position));
    let untils = [None, Some(end), found.get(found.len() / 2).map(|(hit, _)| hit.position)];
    let counts = untils.map(|until| alone.count_hits(sites, until).expect("hits are counted"));
    assert_eq!(
        counts.map(usize::try_from).map(Result::unwrap_or_default),
        [found.len(), found.len(), found.len() / 2]
    );
    alone.seek(end).expect("the end");
    let stops = backward(&mut alone, sites);
    drop(alone);
    for threads in [2, 5] {
        let mut several = open(dir, threads);
        let before = several.position();
        let here = hits(&mut several, sites);
        assert_eq!(here.len(), found.len(), "{threads} threads");
        for (here, alone) in here.iter().zip(&found) {
            assert_eq!(here, alone, "{threads} threads");
        }
        let here = untils.map(|until| several.count_hits(sites, until).expect("a count"));
        assert_eq!(here, counts, "{threads} threads");
        assert_eq!(several.position(), before);
        several.seek(end).expect("the end");
        assert_eq!(backward(&mut several, sites), stops, "{threads} threads");
    }
}

/// Sites where tasks stand after some of the calls that were recorded.
fn after_calls(dir: &Path) -> Vec<Site> {
    let mut timeline = open(dir, 1);
    let events = timeline.event_count().get();
    let mut sites: Vec<Site> = Vec::new();
    for n in 1..6 {
        let at = Position::at_event(retake_model::EventIndex::new(events * n / 7 + 1));
        timeline.seek(at).expect("every event can be reached");
        let registers = timeline.registers(timeline.current_task()).expect("registers");
        if !sites.iter().any(|site| site.target == SiteTarget::Absolute(registers.pc())) {
            sites.push(site(registers.pc()));
        }
    }
    (0..).zip(&mut sites).for_each(|(n, site)| site.id = SiteId::new(n));
    sites
}

/// How many checkpoints there are depends on the machine: short programs may need another try.
#[track_caller]
fn short(name: &str, args: &[&str]) {
    let retake = retake();
    let program = fixture::c(name, &["-pthread"]).to_string_lossy().into_owned();
    let command = [&[program.as_str()][..], args].concat();
    let recorded = |n: u32| {
        let (dir, _) = retake.record(&format!("recording-{n}"), ALWAYS, &command);
        let recording = Recording::open(&dir).expect("the recording can be read");
        (recording.checkpoints().len() > 2).then_some(dir)
    };
    let dir = (0..50).find_map(recorded).expect("three checkpoints");
    same(&dir, &after_calls(&dir), 5);
}

#[test]
fn threads() {
    short("c/threads.c", &[]);
}

#[test]
fn processes() {
    short("c/fork_tree.c", &[]);
    short("c/shared_by_children.c", &[]);
}

#[test]
fn programs_that_execute_others() {
    short("c/exec_chain.c", &[]);
}

/// A loop that is recorded with some checkpoints in it, and passes a place about `hits` times. How long it has to
/// be depends on the machine.
fn bursts(retake: &Retake, hits: u64) -> (std::path::PathBuf, Addr) {
    let program = fixture::c("c/hot/bursts.c", &["-O1"]).to_string_lossy().into_owned();
    let options = ["--checkpoint-every", "200ms"];
    let recorded = |n: u32| {
        let turns = 600_000_000_u64 << n;
        let (turns, between) = (turns.to_string(), (turns / hits).to_string());
        let name = format!("recording-{n}");
        let (dir, ended) = retake.record(&name, &options, &[&program, &turns, &between]);
        let output = ended.good().output();
        let first = output.lines().next().and_then(|line| line.strip_prefix("0x"));
        let pc = first.and_then(|text| u64::from_str_radix(text, 16).ok()).expect("an address");
        let recording = Recording::open(&dir).expect("the recording can be read");
        (recording.checkpoints().len() > 2).then_some((dir, Addr::new(pc)))
    };
    (0..6).find_map(recorded).expect("three checkpoints")
}

#[test]
fn a_loop_with_checkpoints_in_it() {
    let retake = retake();
    let (dir, pc) = bursts(&retake, 1_000);
    same(&dir, &[site(pc)], 900);
}

/// Between two arrivals are some calls that replay makes in one go.
#[test]
fn calls_without_a_stop() {
    const FIXTURE: &str = "c/hot/calls_in_rows.c";
    let retake = retake();
    let program = fixture::c(FIXTURE, &["-O1", "-pthread"]).to_string_lossy().into_owned();
    let recorded = |n: u32| {
        let (name, turns) = (format!("recording-{n}"), (1000_u64 << n).to_string());
        let options = ["--checkpoint-every", "20ms"];
        let (dir, ended) = retake.record(&name, &options, &[&program, &turns, "mixed"]);
        ended.good();
        let recording = Recording::open(&dir).expect("the recording can be read");
        (recording.checkpoints().len() > 2).then_some(dir)
    };
    let dir = (0..6).find_map(recorded).expect("three checkpoints");
    let line = fixture::line_of(FIXTURE, "in each turn");
    let told = retake.debug(&dir, &[], &format!("break calls_in_rows.c:{line}\nhits 1\n"));
    let told = told.good().output();
    let position = told.lines().find_map(|line| line.split('@').nth(1)).expect("a position");
    let pc = position.split_whitespace().next().and_then(|text| text.strip_prefix("0x"));
    let pc = pc.and_then(|text| u64::from_str_radix(text, 16).ok()).expect("an address");
    same(&dir, &[site(Addr::new(pc))], 1000);
}

#[test]
fn whoever_has_seen_enough_ends_it() {
    let retake = retake();
    let (dir, pc) = bursts(&retake, 10_000);
    let mut timeline = open(&dir, 2);
    let mut number = 0;
    let listed = timeline.look_at_hits(&[site(pc)], &look, &mut |_, _| {
        number += 1;
        if number == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    listed.expect("no failure");
    assert_eq!(number, 7);
    // Whoever asks to stop gets an error, from any of the threads.
    let interrupter = timeline.interrupter();
    let listed = timeline.look_at_hits(&[site(pc)], &look, &mut |_, _| {
        interrupter.store(true, std::sync::atomic::Ordering::SeqCst);
        ControlFlow::Continue(())
    });
    let Err(error) = listed else { panic!("it goes on") };
    assert!(matches!(error.kind(), ErrorKind::Interrupted), "{error}");
}

/// Where `cpuid` cannot be trapped, a program may go by the CPU that it is on, and never end on another one.
#[test]
fn a_stretch_that_never_ends_on_another_cpu() {
    let program = fixture::c("c/asks_its_cpu.c", &[]);
    let often = &["--checkpoint-every", "20ms"];
    let ended = retake().round_trip("recording", often, &[&program]);
    assert_eq!(ended.output(), "many rounds\n", "{}", ended.errors());
}
