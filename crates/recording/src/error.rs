//! What can go wrong with a recording on disk.

use std::io;
use std::path::{Path, PathBuf};

/// Reading or writing a recording failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {attempt} {}: {kind}", path.display())]
pub struct RecordingError {
    attempt: &'static str,
    path: PathBuf,
    kind: RecordingErrorKind,
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordingErrorKind {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is a recording already.
    #[error("a recording is there already")]
    Exists,
    /// There is no recording.
    #[error("this is no recording (no recording.json or recording.partial in it)")]
    NotARecording,
    /// Written in a format this version cannot read.
    #[error(
        "it has format version {found}, this retake reads {readable}: use the retake that made it"
    )]
    Version {
        /// As found.
        found: String,
        /// What this version reads.
        readable: String,
    },
    /// The bytes are not what was written.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Something asked for is not in it.
    #[error("{0}")]
    Missing(String),
}

impl RecordingError {
    pub(crate) fn new(
        attempt: &'static str,
        path: &Path,
        kind: impl Into<RecordingErrorKind>,
    ) -> Self {
        Self { attempt, path: path.to_owned(), kind: kind.into() }
    }

    pub(crate) fn damaged(attempt: &'static str, path: &Path, what: impl Into<String>) -> Self {
        Self::new(attempt, path, RecordingErrorKind::Damaged(what.into()))
    }

    /// Why it failed.
    pub fn kind(&self) -> &RecordingErrorKind {
        &self.kind
    }
}
