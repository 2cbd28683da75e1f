//! What is kept with a recording besides the files that the program maps.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use retake_debugger::{files_beside, sources_of};
use retake_execution::FileBytes;
use retake_recorder::Beside;
use retake_recording::MappedFile;

/// Whether sources are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sources {
    /// Those of the program's own code.
    Kept,
    /// They are looked for where they are.
    Left,
}

/// Files with debug information, and sources.
#[derive(Debug)]
pub(crate) struct FilesBeside {
    pub(crate) sources: Sources,
}

impl Beside for FilesBeside {
    fn of(&self, path: &Path, bytes: Arc<MappedFile>) -> Vec<PathBuf> {
        let bytes: FileBytes = bytes;
        let mut files = files_beside(path, Arc::clone(&bytes));
        if self.sources == Sources::Kept {
            files.extend(sources_of(path, bytes));
        }
        files
    }
}
