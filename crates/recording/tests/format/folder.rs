//! Recordings in a folder that goes away.

use std::fs;
use std::path::PathBuf;

use retake_recording::{End, ExitStatus, Manifest, Recording, RecordingWriter, WriterOptions};

/// A folder with a recording and the store.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.path("recording")
    }

    /// Begins a recording, in place of the one that was there.
    pub(crate) fn writer(&self, manifest: Manifest) -> RecordingWriter {
        let _ = fs::remove_dir_all(self.dir());
        let options = WriterOptions { store: self.path("store"), on_thread_start: None };
        RecordingWriter::create(&self.dir(), manifest, options).unwrap()
    }

    /// Ends it, and reads what was written.
    pub(crate) fn finish(&self, writer: RecordingWriter) -> Recording {
        let end = End::new(ExitStatus::Exited(0), None, std::time::Duration::ZERO);
        writer.finish(end).unwrap();
        self.open()
    }

    pub(crate) fn open(&self) -> Recording {
        let recording = Recording::open(&self.dir()).unwrap();
        assert_eq!(recording.loss(), None);
        recording
    }
}
