//! Replay of calls that were recorded without a stop.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use retake_model::{Addr, EventIndex, SyscallNo};
use retake_recording::rewrite::rewrite_events;
use retake_recording::{Effect, Event, EventKind, Recording, Stream};
use retake_testkit::{OFTEN, Retake, fixture, rounds};

const FIXTURE: &str = "c/hot/calls_in_rows.c";
const READ: SyscallNo = SyscallNo::new(0);
const WRITE: SyscallNo = SyscallNo::new(1);
/// `newfstatat`: what the C library asks for.
const STAT: SyscallNo = SyscallNo::new(262);
/// The page of the code that makes them.
const CODE: std::ops::Range<Addr> = Addr::new(0x7000_2000)..Addr::new(0x7000_3000);

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

fn program() -> PathBuf {
    fixture::c(FIXTURE, &["-g", "-O1", "-pthread"])
}

fn recorded(args: &[&str]) -> (Retake, PathBuf) {
    let retake = retake();
    let command: Vec<PathBuf> =
        [program()].into_iter().chain(args.iter().map(PathBuf::from)).collect();
    let (dir, ended) = retake.record("recording", &[], &command);
    assert_eq!(ended.code(), 0, "{}", ended.errors());
    (retake, dir)
}

fn events(dir: &Path) -> Vec<(EventIndex, Event)> {
    let recording = Recording::open(dir).expect("it opens");
    recording.events(EventIndex::ZERO).map(|event| event.expect("an event")).collect()
}

/// Calls that were recorded without a stop.
fn fast(dir: &Path, wanted: SyscallNo) -> Vec<(EventIndex, Event)> {
    let mut events = events(dir);
    events.retain(|(_, event)| {
        matches!(event.kind, EventKind::Syscall { no } if no == wanted)
            && CODE.contains(&event.before.pc())
    });
    events
}

/// Calls that did not stop the task.
fn supplied(told: &str) -> u64 {
    let before = told.split(" calls supplied").next().and_then(|text| text.split(' ').next_back());
    before.and_then(|number| number.replace(',', "").parse().ok()).expect("statistics")
}

#[test]
fn rows_of_calls_of_all_kinds() {
    for kind in ["file", "pipe", "stat", "folder", "print", "mixed"] {
        for _ in 0..rounds() {
            let retake = retake();
            let command = [program(), "1500".into(), kind.into()];
            let ended = retake.round_trip("recording", OFTEN, &command);
            assert!(ended.good().output().contains("\nsum "), "{kind}");
            let recording = retake.path("recording");
            retake.verify_translated(&recording, "small-cache").good();
            let how = ["verify", "-j1", "--stats"].map(Path::new);
            let told = retake.run(how.into_iter().chain([recording.as_path()])).good().output();
            // Checkpoints and what is traced cut rows.
            assert!(supplied(&told) > 1000, "{kind}: {told}");
        }
    }
}

#[test]
fn rows_of_several_threads() {
    for _ in 0..rounds() {
        let retake = retake();
        let command = [program(), "3000".into(), "mixed".into(), "4".into()];
        retake.round_trip("recording", OFTEN, &command).good();
        retake.verify_translated(&retake.path("recording"), "full").good();
    }
}

/// A reader asks before each read whether it would wait: sometimes it would.
#[test]
fn calls_that_would_wait() {
    for _ in 0..rounds() {
        let retake = retake();
        let command = [program(), "2000".into(), "echo".into()];
        retake.round_trip("recording", OFTEN, &command).good();
        let recording = retake.path("recording");
        retake.verify_translated(&recording, "full").good();
        let script = "break turn\nassert $hits(1) == 2000\ngoto hit 1234\nregs rdi\nrewind\n\
                      continue\nregs rdi\ngoto end\nrewind\nregs rdi";
        let told = retake.debug(&recording, &[], script).good().output();
        let numbers = [1233, 1233, 1999].map(|n| format!("rdi = {n:#018x}"));
        let seen: Vec<&str> =
            told.lines().map(str::trim).filter(|l| l.starts_with("rdi")).collect();
        assert_eq!(seen, numbers, "{told}");
        // In both ways.
        let reads = events(&recording).into_iter().filter(|(_, event)| {
            matches!(event.kind, EventKind::Syscall { no } | EventKind::SyscallEnter { no } if no == READ)
        });
        let (inside, stub): (Vec<_>, Vec<_>) =
            reads.partition(|(_, event)| CODE.contains(&event.before.pc()));
        assert!(inside.len() > 500 && stub.len() > 500, "{} {}", inside.len(), stub.len());
    }
}

#[test]
fn breakpoints_and_steps_between_the_calls() {
    let (retake, dir) = recorded(&["2000", "mixed"]);
    let stop = fixture::line_of(FIXTURE, "in each turn");
    let script = format!(
        "break {}:{stop}\nassert $hits(1) == 2000\ngoto hit 1500\nregs rdi\nrewind\nregs rdi\n\
         continue\nregs rdi\ngoto end\nrewind\nregs rdi",
        "calls_in_rows.c"
    );
    let told = retake.debug(&dir, &[], &script).good().output();
    let numbers = [1499, 1498, 1499, 1999].map(|n| format!("rdi = {n:#018x}"));
    let seen: Vec<&str> = told.lines().map(str::trim).filter(|l| l.starts_with("rdi")).collect();
    assert_eq!(seen, numbers, "{told}");
}

/// From an event to the next one, instruction by instruction: the moment is the same one as without steps.
#[test]
fn steps_over_a_call() {
    let (retake, dir) = recorded(&["2000", "stat"]);
    let mut calls = fast(&dir, STAT);
    // The second of two that follow each other.
    calls.retain(|(_, event)| event.before.rdi < 100);
    let at = calls[calls.len() / 2].0;
    let next = at.next();
    let script = format!("goto event {at}\n{}goto event {next}\nregs", "stepi\n".repeat(120));
    let told = retake.debug(&dir, &[], &script).good().output();
    let places: Vec<&str> = told.lines().filter(|line| line.contains("(stepped)")).collect();
    let event = |line: &&str| line.split(['+', ' ']).next().expect("a word").to_owned();
    let events: Vec<String> = places.iter().map(event).collect();
    assert_eq!(events.len(), 120);
    assert_eq!((&events[0], &events[119]), (&at.to_string(), &next.to_string()), "{told}");
    // In the program's own code, once each.
    let mut seen = places.clone();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), places.len(), "{told}");
}

#[test]
fn what_is_printed_byte_by_byte() {
    let (retake, dir) = recorded(&["2000", "print"]);
    let prints = fast(&dir, WRITE);
    let is_shown = |effect: &Effect| {
        matches!(effect, Effect::Output { stream: Some(Stream::Stdout), len: 1, .. })
    };
    let shown = prints.iter().filter(|(_, event)| event.effects.iter().any(is_shown)).count();
    assert!(shown > 1900, "{shown}");
    let text = retake.replay(&dir).good().output();
    assert!(text.starts_with("ab.ab.") && text.contains("ab.ab\nsum "), "{text}");
    // A text that several calls have written, and the moment behind it.
    let told = retake.debug(&dir, &[], "goto output .ab.ab.ab").good().output();
    assert!(told.contains("reached"), "{told}");
}

/// Changes one event.
fn rewrite(dir: &Path, at: EventIndex, change: impl Fn(&mut Event)) {
    rewrite_events(dir, |index, mut event| {
        if index == at {
            change(&mut event);
        }
        vec![event]
    })
    .expect("rewritten");
}

/// Both commands fail, and name the event.
#[track_caller]
fn diverges_at(retake: &Retake, dir: &Path, event: EventIndex, what: &str) {
    for (ended, code) in [(retake.replay(dir), 125), (retake.verify(dir), 1)] {
        let text = ended.errors();
        assert_eq!(ended.code(), code, "{}: {text}", ended.command);
        let wanted = format!("diverges from the recording at event {event}");
        assert!(text.contains(&wanted), "not {event}: {text}");
        assert!(text.contains(what), "not {what}: {text}");
    }
}

#[test]
fn a_byte_that_was_written_in_the_middle_of_a_row() {
    let (retake, dir) = recorded(&["2000", "file"]);
    let writes = fast(&dir, WRITE);
    assert!(writes.len() > 3000, "{}", writes.len());
    let (at, _) = writes[writes.len() / 2 + 1];
    rewrite(&dir, at, |event| {
        for effect in &mut event.effects {
            if let Effect::Output { hash, .. } = effect {
                *hash ^= 1;
            }
        }
    });
    diverges_at(&retake, &dir, at, "bytes at");
}

#[test]
fn registers_in_the_middle_of_a_row() {
    let (retake, dir) = recorded(&["2000", "file"]);
    let reads = fast(&dir, READ);
    assert!(reads.len() > 1500, "{}", reads.len());
    let (at, _) = reads[reads.len() / 2];
    rewrite(&dir, at, |event| {
        event.before.r12 ^= 1 << 33;
        event.after.r12 ^= 1 << 33;
    });
    diverges_at(&retake, &dir, at, "r12");
}

/// What is read is written again a turn later, by way of the sum.
#[test]
fn a_byte_that_was_read_in_the_middle_of_a_row() {
    let (retake, dir) = recorded(&["2000", "file"]);
    let reads = fast(&dir, READ);
    let (at, _) = reads[reads.len() / 2];
    let next = fast(&dir, WRITE).into_iter().map(|(index, _)| index).find(|index| *index > at);
    rewrite(&dir, at, |event| {
        for effect in &mut event.effects {
            if let Effect::Write { bytes, .. } = effect {
                bytes[0] ^= 1;
            }
        }
    });
    diverges_at(&retake, &dir, next.expect("a write"), "");
}
