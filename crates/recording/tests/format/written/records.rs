//! Manifests, events, kept places.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use retake_model::{CheckpointIndex, EventIndex, SharedId, SpaceId};
use retake_recording::{Checkpoint, Effect, EffectBuffer, End, KeptPlace, Manifest};

use crate::folder::Folder;
use crate::strategies::{
    addr, bytes, end, event, manifest, mappings, number, page, registers, task, task_state,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn manifests(first in manifest(), changed in manifest(), end in end()) {
        let folder = Folder::new();
        let mut writer = folder.writer(first.clone());
        let partial = retake_recording::Recording::open(&folder.dir()).unwrap();
        prop_assert_eq!(partial.manifest(), &first);
        prop_assert!(!partial.is_finished());
        writer.update_manifest(|manifest| *manifest = changed.clone());
        writer.finish(end.clone()).unwrap();
        let recording = folder.open();
        prop_assert_eq!(recording.manifest(), &Manifest { end: Some(end), ..changed });
        prop_assert!(recording.is_finished());
    }

    #[test]
    fn events(parts in vec(vec(event(), 0..12), 1..4)) {
        let folder = Folder::new();
        let mut writer = folder.writer(Manifest::default());
        for part in &parts {
            for event in part {
                writer.append_event(event).unwrap();
            }
            // Each part is a chunk of its own.
            writer.flush().unwrap();
        }
        let recording = folder.finish(writer);
        let events = parts.concat();
        prop_assert_eq!(recording.event_count(), EventIndex::new(events.len() as u64));
        for (n, event) in events.iter().enumerate().rev() {
            let index = EventIndex::new(n as u64);
            prop_assert_eq!(&recording.event(index).unwrap(), event);
        }
        for from in 0..=events.len() {
            let read = recording.events(EventIndex::new(from as u64)).map(|event| event.unwrap().1);
            prop_assert!(read.eq(events[from..].iter().cloned()), "from {}", from);
        }
    }

    #[test]
    fn ends(end in end(), events in vec(event(), 0..3)) {
        let folder = Folder::new();
        let mut writer = folder.writer(Manifest::default());
        for event in &events {
            writer.append_event(event).unwrap();
        }
        writer.finish(end.clone()).unwrap();
        let read = folder.open().manifest().end.clone();
        prop_assert_eq!(read, Some(End { events: events.len() as u64, ..end }));
    }

    /// Memory that is read in place of being copied, of which less may be there than was asked for.
    #[test]
    fn writes(list in vec((addr(), bytes(300), 0_usize..40), 0..6)) {
        let mut effects = EffectBuffer::new();
        let mut wanted = Vec::new();
        for (addr, bytes, missing) in list {
            effects.write_with(addr, bytes.len() + missing, |out| {
                out[..bytes.len()].copy_from_slice(&bytes);
                bytes.len()
            });
            if !bytes.is_empty() {
                wanted.push(Effect::Write { addr, bytes });
            }
        }
        prop_assert_eq!(effects.len() as usize, wanted.len());
        prop_assert_eq!(effects.decode(), wanted);
    }

    #[test]
    fn kept_places(
        recording in any::<String>(),
        numbers in (any::<(u32, bool)>(), number(), number(), task()),
        (tasks, mappings) in (vec(task_state(), 0..3), mappings()),
        runner in option::of((task(), registers())),
        (branches, standing_at) in (option::of(any::<u64>()), option::of(addr())),
        pages in vec((any::<u32>().prop_map(SpaceId::new), page()), 0..4),
        shared in vec((any::<u32>().prop_map(SharedId::new), any::<u64>()), 0..4),
        contents in bytes(9000),
    ) {
        let ((index, complete), event, run_time_ns, current) = numbers;
        let space = retake_recording::SpaceState {
            space: SpaceId::new(3), mappings, cleared: Vec::new(), pages: Vec::new(),
        };
        let state = Checkpoint {
            index: CheckpointIndex::new(index),
            event: EventIndex::new(event),
            run_time_ns,
            complete,
            current,
            tasks,
            spaces: vec![space],
            shared: Vec::new(),
            // A program with segments of its own has no kept places.
            segments: Vec::new(),
        };
        let place = KeptPlace {
            recording: recording.clone(), state, runner, branches, standing_at, pages, shared, contents,
        };
        let folder = Folder::new();
        let path = folder.path("index/place");
        place.write(&path).unwrap();
        prop_assert_eq!(KeptPlace::read(&path, &recording), Some(place));
        prop_assert_eq!(KeptPlace::read(&path, &format!("{recording}x")), None);
    }
}
