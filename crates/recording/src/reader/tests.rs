//! Recordings of other versions.

use std::fs;
use std::path::Path;
use std::time::Duration;

use retake_model::{EventIndex, Registers, SyscallNo, TaskId};

use super::Recording;
use crate::events::event::{Event, EventKind, ExitStatus};
use crate::manifest::{End, Manifest};
use crate::names;
use crate::rewrite::rewrite_events;
use crate::writer::{RecordingWriter, WriterOptions};

const EVENTS: u64 = 20_000;

fn event(n: u64) -> Event {
    let before = Registers { rax: n.wrapping_mul(0x9e37_79b9_7f4a_7c15), ..Registers::default() };
    let after = Registers { rdx: n, ..before };
    let kind = EventKind::Syscall { no: SyscallNo::new(u32::try_from(n % 300).unwrap()) };
    Event { task: TaskId::new(0), kind, before, after, effects: Vec::new() }
}

/// A recording of several chunks.
fn record(root: &Path) -> std::path::PathBuf {
    let dir = root.join("recording");
    let manifest = Manifest {
        format: crate::FORMAT_VERSION.to_string(),
        warnings: vec!["something".to_owned()],
        ..Manifest::default()
    };
    let options = WriterOptions { store: root.join("store"), on_thread_start: None };
    let mut writer = RecordingWriter::create(&dir, manifest, options).unwrap();
    for n in 0..EVENTS {
        writer.append_event(&event(n)).unwrap();
    }
    let end = End::new(ExitStatus::Exited(0), None, Duration::ZERO);
    let summary = writer.finish(end).unwrap();
    assert_eq!((summary.events, summary.warnings.as_slice()), (EVENTS, &["something".into()][..]));
    dir
}

fn set_version(dir: &Path, version: [u8; 4]) {
    for (name, _) in [names::EVENTS, names::PAGES, names::CHECKPOINTS, names::FILES] {
        let mut bytes = fs::read(dir.join(name)).unwrap();
        bytes[12..16].copy_from_slice(&version);
        fs::write(dir.join(name), bytes).unwrap();
    }
}

fn check(dir: &Path) {
    let recording = Recording::open(dir).unwrap();
    assert_eq!(recording.loss(), None);
    assert!(recording.events(EventIndex::ZERO).map(|it| it.unwrap().1).eq((0..EVENTS).map(event)));
    // From the end: each chunk by the way that leads to it.
    for n in (0..EVENTS).rev().step_by(997) {
        assert_eq!(recording.event(EventIndex::new(n)).unwrap(), event(n));
    }
}

#[test]
fn recordings_of_the_version_before_are_read() {
    let root = tempfile::tempdir().unwrap();
    let dir = record(root.path());
    assert!(Recording::open(&dir).unwrap().inner.chunks.iter().any(|(frame, _)| frame.nth > 0));
    check(&dir);
    // Each chunk stands alone, as it did then.
    rewrite_events(&dir, |_, event| vec![event]).unwrap();
    assert!(Recording::open(&dir).unwrap().inner.chunks.iter().all(|(frame, _)| frame.nth == 0));
    set_version(&dir, [1, 0, 2, 0]);
    check(&dir);
}

#[test]
fn other_versions_are_named() {
    let root = tempfile::tempdir().unwrap();
    let dir = record(root.path());
    for (version, shown) in [([3, 0, 1, 0], "3.1"), ([0, 0, 9, 0], "0.9")] {
        set_version(&dir, version);
        let text = Recording::open(&dir).unwrap_err().to_string();
        assert!(text.contains(shown) && text.contains("1.x to 2.x"), "{text}");
    }
}
