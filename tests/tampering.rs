//! The checks of a replay can fail: recordings that were altered on purpose, checksums made right
//! again, are reported as divergences at the right event by `replay` and by `verify`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use retake_model::{EventIndex, SyscallNo};
use retake_recording::rewrite::{rewrite_checkpoint, rewrite_events, rewrite_page};
use retake_recording::{Effect, Event, EventKind, Recording};
use retake_testkit::{Retake, fixture};

const READ: SyscallNo = SyscallNo::new(0);
const WRITE: SyscallNo = SyscallNo::new(1);

/// A recording of a program that prints what it was given.
fn recorded() -> (Retake, PathBuf) {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/entropy.c", &[]);
    let (dir, _) = retake.record("recording", &[], &[program]);
    retake.verify(&dir).good();
    (retake, dir)
}

/// A recording with checkpoints, and bytes read before them that nothing depends on.
fn with_checkpoints() -> (Retake, PathBuf) {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/unused_read.c", &[]);
    let (dir, _) = retake.record("recording", &["--checkpoint-every", "10ms"], &[program]);
    retake.verify(&dir).good();
    (retake, dir)
}

fn find(dir: &Path, wanted: impl Fn(&Event) -> bool) -> (EventIndex, Event) {
    let recording = Recording::open(dir).expect("it opens");
    let mut events = recording.events(EventIndex::ZERO).map(|event| event.expect("an event"));
    events.find(|(_, event)| wanted(event)).expect("there is such an event")
}

fn is_call(event: &Event, wanted: SyscallNo) -> bool {
    matches!(event.kind, EventKind::Syscall { no } if no == wanted)
}

/// The read of `/dev/urandom`.
fn random_read(dir: &Path, len: usize) -> EventIndex {
    let reads = |event: &Event| {
        let all =
            |effect: &Effect| matches!(effect, Effect::Write { bytes, .. } if bytes.len() == len);
        is_call(event, READ) && event.effects.iter().any(all)
    };
    find(dir, reads).0
}

fn flip_last_byte(event: &mut Event) {
    for effect in &mut event.effects {
        if let Effect::Write { bytes, .. } = effect
            && let Some(byte) = bytes.last_mut()
        {
            *byte ^= 0x40;
        }
    }
}

/// Both commands fail, and name the event.
#[track_caller]
fn diverges_at(retake: &Retake, dir: &Path, event: EventIndex, what: &str) {
    for (ended, code) in [(retake.replay(dir), 125), (retake.verify(dir), 1)] {
        let text = ended.errors();
        assert_eq!(ended.code(), code, "{}: {text}", ended.command);
        let wanted = format!("diverges from the recording at event {event} ");
        let wanted_at_end = format!("diverges from the recording at event {event}:");
        assert!(text.contains(&wanted) || text.contains(&wanted_at_end), "not {event}: {text}");
        assert!(text.contains(what), "not {what}: {text}");
        assert!(text.contains("expected:") && text.contains("actual:"), "{text}");
    }
}

#[test]
fn a_byte_of_a_read_that_is_printed() {
    let (retake, dir) = recorded();
    let read = random_read(&dir, 16);
    rewrite_events(&dir, |index, mut event| {
        if index == read {
            flip_last_byte(&mut event);
        }
        vec![event]
    })
    .expect("rewritten");
    // What it prints is written at its end.
    let (write, _) = find(&dir, |event| is_call(event, WRITE));
    assert!(write > read);
    diverges_at(&retake, &dir, write, "");
}

#[test]
fn a_byte_of_a_read_that_nothing_depends_on() {
    let (retake, dir) = with_checkpoints();
    let read = random_read(&dir, 4096);
    rewrite_events(&dir, |index, mut event| {
        if index == read {
            flip_last_byte(&mut event);
        }
        vec![event]
    })
    .expect("rewritten");
    let recording = Recording::open(&dir).expect("it opens");
    let next = recording.checkpoints().iter().find(|c| c.event > read).expect("a checkpoint").event;
    diverges_at(&retake, &dir, next, "memory of address space");
}

#[test]
fn a_register_of_an_event() {
    let (retake, dir) = recorded();
    let (middle, _) = find(&dir, |event| is_call(event, READ));
    rewrite_events(&dir, |index, mut event| {
        if index == middle {
            event.before.r12 ^= 1;
        }
        vec![event]
    })
    .expect("rewritten");
    diverges_at(&retake, &dir, middle, "r12");
}

#[test]
fn a_result_of_a_call() {
    let (retake, dir) = recorded();
    let is_getpid = |event: &Event| is_call(event, SyscallNo::new(39));
    let (call, _) = find(&dir, is_getpid);
    rewrite_events(&dir, |index, mut event| {
        if index == call {
            event.after.rax += 1;
        }
        vec![event]
    })
    .expect("rewritten");
    let (write, _) = find(&dir, |event| is_call(event, WRITE));
    let ended = retake.replay(&dir);
    assert_eq!(ended.code(), 125, "{}", ended.errors());
    let text = ended.errors();
    // It shows in a register of the next call already, or in what is printed at last.
    let at = text.split("at event ").nth(1).and_then(|rest| rest.split([' ', ':']).next());
    let at: u64 = at.and_then(|at| at.parse().ok()).expect("an event");
    assert!(at > call.get() && at <= write.get(), "{text}");
}

#[test]
fn a_dropped_event() {
    let (retake, dir) = recorded();
    let (middle, _) = find(&dir, |event| is_call(event, READ));
    rewrite_events(&dir, |index, event| if index == middle { vec![] } else { vec![event] })
        .expect("rewritten");
    diverges_at(&retake, &dir, middle, "");
}

#[test]
fn two_swapped_events() {
    let (retake, dir) = recorded();
    let (first, _) = find(&dir, |event| is_call(event, READ));
    let mut held = None;
    rewrite_events(&dir, |index, event| {
        if index == first {
            held = Some(event);
            return Vec::new();
        }
        let mut out = vec![event];
        out.extend(held.take());
        out
    })
    .expect("rewritten");
    diverges_at(&retake, &dir, first, "");
}

#[test]
fn a_page_of_a_checkpoint() {
    let (retake, dir) = with_checkpoints();
    let recording = Recording::open(&dir).expect("it opens");
    let summary = recording.checkpoints().last().copied().expect("a checkpoint");
    let checkpoint = recording.checkpoint(summary.index).expect("it reads");
    let space = checkpoint.spaces.first().expect("a space");
    let (page, id) = *space.pages.last().expect("a page");
    let mut contents = recording.read_page(id).expect("read");
    contents[0] ^= 1;
    rewrite_page(&dir, summary.index, space.space, page, &contents).expect("rewritten");
    diverges_at(&retake, &dir, summary.event, "memory of address space");
}

#[test]
fn a_register_of_a_checkpoint() {
    let (retake, dir) = with_checkpoints();
    let recording = Recording::open(&dir).expect("it opens");
    let summary = recording.checkpoints().last().copied().expect("a checkpoint");
    rewrite_checkpoint(&dir, summary.index, |checkpoint| {
        if let Some(task) = checkpoint.tasks.first_mut() {
            task.registers.rbx ^= 1;
        }
    })
    .expect("rewritten");
    diverges_at(&retake, &dir, summary.event, "registers at checkpoint");
}
