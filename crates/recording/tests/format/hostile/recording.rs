//! Recordings, of which one file is not what was written.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use retake_model::{EventIndex, PageId};
use retake_recording::{Recording, RecordingError};
use retake_testkit::hostile::{Random, Reader, mutate};
use zstd::bulk::Compressor;

use super::corpus;
use super::frames::Framed;
use crate::folder::Folder;

/// Takes a value's text, which goes nowhere: whoever shows it must not stumble either.
struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _text: &str) -> std::fmt::Result {
        Ok(())
    }
}

fn show(value: &impl std::fmt::Debug) {
    write!(Nowhere, "{value:?}").unwrap();
}

/// How much a recording has: events, checkpoints, pages, files, files beside them.
type Counts = [u64; 5];

fn counts(recording: &Recording) -> Counts {
    [
        recording.event_count().get(),
        recording.checkpoints().len() as u64,
        recording.page_count() as u64,
        recording.files().len() as u64,
        recording.beside().len() as u64,
    ]
}

/// Reads everything that a recording has.
fn read(dir: &Path) -> Result<Counts, RecordingError> {
    let recording = Recording::open(dir)?;
    show(recording.manifest());
    let mut damage = None;
    for event in recording.events(EventIndex::ZERO) {
        match event {
            Ok((index, event)) => show(&(index, event)),
            Err(error) => damage = Some(error),
        }
    }
    let count = recording.event_count().get();
    for n in [0, 1, count / 2, count.saturating_sub(1), count, u64::MAX] {
        let (event, nearest) =
            (EventIndex::new(n), recording.nearest_checkpoint(EventIndex::new(n)));
        show(&nearest);
        let _ = recording.event(event);
    }
    for summary in recording.checkpoints() {
        let checkpoint = recording.checkpoint(summary.index)?;
        show(&checkpoint);
        let of_spaces =
            checkpoint.spaces.iter().flat_map(|space| space.pages.iter().map(|page| page.1));
        let of_shared =
            checkpoint.shared.iter().flat_map(|object| object.pages.iter().map(|page| page.1));
        let ids: Vec<PageId> = of_spaces.chain(of_shared).collect();
        recording
            .read_pages(&ids, &|pages| assert!(pages.iter().all(|page| page.1.len() == 4096)))?;
        for space in &checkpoint.spaces {
            for mapping in &space.mappings {
                show(&(mapping.range.len(), mapping.clip(mapping.range.to_pages())));
            }
        }
    }
    for entry in recording.files() {
        show(entry);
        let _ = recording.map_file(entry.id).map(|map| map.as_ref().len());
    }
    for file in recording.beside() {
        show(file);
        let _ = recording.map_beside(file).map(|map| map.as_ref().len());
    }
    match (damage, recording.loss()) {
        (Some(error), _) => Err(error),
        (None, Some(loss)) => {
            assert!(!loss.is_empty());
            Ok([u64::MAX; 5])
        }
        (None, None) => Ok(counts(&recording)),
    }
}

/// One file of each recording, as it was.
enum Original {
    Frames(Framed),
    Text(Vec<u8>),
}

pub(crate) struct OfRecording {
    name: &'static str,
    cases: Vec<(Folder, Original, Counts)>,
    packer: Compressor<'static>,
    at: usize,
}

impl OfRecording {
    /// Changes the file of this name.
    pub(crate) fn new(name: &'static str) -> Self {
        let case = |folder: Folder| {
            let whole = fs::read(folder.dir().join(name)).unwrap();
            let original = if name.contains(".json") {
                Original::Text(whole)
            } else {
                Original::Frames(Framed::of(&whole))
            };
            let counts = read(&folder.dir()).unwrap();
            (folder, original, counts)
        };
        let cases: Vec<_> = corpus::recordings().into_iter().map(case).collect();
        let is_used = |original: &Original| match original {
            Original::Frames(frames) => !frames.is_empty(),
            Original::Text(text) => !text.is_empty(),
        };
        assert!(cases.iter().all(|(_, original, _)| is_used(original)), "{name}");
        Self { name, cases, packer: Compressor::new(1).unwrap(), at: 0 }
    }
}

impl Reader for OfRecording {
    fn change(&mut self, random: &mut Random) {
        self.at = random.below(self.cases.len());
        let (folder, original, _) = &self.cases[self.at];
        let bytes = match original {
            Original::Frames(frames) => frames.changed(&mut self.packer, random),
            Original::Text(text) => {
                let mut text = text.clone();
                mutate(&mut text, random);
                text
            }
        };
        fs::write(folder.dir().join(self.name), bytes).unwrap();
    }

    fn read(&mut self) -> bool {
        let (folder, _, wanted) = &self.cases[self.at];
        match read(&folder.dir()) {
            Ok(counts) => counts == *wanted,
            Err(error) => {
                write!(Nowhere, "{error}").unwrap();
                false
            }
        }
    }
}
