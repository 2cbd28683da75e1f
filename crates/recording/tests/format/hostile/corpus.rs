//! Small recordings that have something of everything.

use std::fs::{self, File};

use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use retake_recording::{FileKey, NoteSubject, RecordingWriter};

use crate::folder::Folder;
use crate::strategies::{event, manifest};
use crate::written::checkpoints::{draft, moment};

/// Recordings of a corpus.
const CASES: usize = 8;

/// Values that are the same in each run.
#[derive(Default)]
pub(crate) struct Values(TestRunner);

impl Values {
    pub(crate) fn new() -> Self {
        Self(TestRunner::deterministic())
    }

    pub(crate) fn next<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.0).unwrap().current()
    }
}

fn record(values: &mut Values, folder: &Folder) {
    let mut writer: RecordingWriter = folder.writer(values.next(manifest()));
    let pool = writer.pool().clone();
    for n in 0..3_u8 {
        for event in values.next(vec(event(), 1..7)) {
            writer.append_event(&event).unwrap();
        }
        let event = writer.event_count();
        writer.add_checkpoint(draft(event, &values.next(moment()), &pool));
        let mut batch = writer.pool().batch();
        batch.push(retake_model::Addr::new(u64::from(n) << 12).page(), &[n + 100; 4096]);
        writer.store_image_pages(batch);
        writer.flush().unwrap();
        let source = folder.path(&format!("source-{n}"));
        fs::write(&source, [n; 200]).unwrap();
        let (file, key) = (File::open(&source).unwrap(), FileKey::of(&source.metadata().unwrap()));
        writer.add_file(b"/bin/program", &file, key, None).unwrap();
        writer.add_beside(b"/bin/program.debug", &file, key).unwrap();
    }
    folder.finish(writer);
}

/// The recordings.
pub(crate) fn recordings() -> Vec<Folder> {
    let mut values = Values::new();
    let one = || {
        let folder = Folder::new();
        record(&mut values, &folder);
        folder
    };
    std::iter::repeat_with(one).take(CASES).collect()
}

/// What the instructions of a file were noted as.
pub(crate) type Note = Vec<(u64, Vec<u8>)>;

/// A note, in the store of a recording that is being written.
pub(crate) fn noted(writer: &RecordingWriter, key: FileKey) {
    let note: Note = (0_u64..9).map(|n| (n << (7 * n), vec![0x0f, 0xc7, 0xf0])).collect();
    writer.note(key, NoteSubject::RandomInstructions, &note);
}
