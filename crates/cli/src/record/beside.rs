//! What is kept with a recording besides the files that the program maps.

use std::path::Path;
use std::sync::Arc;

use retake_debugger::{files_beside, sources_of};
use retake_execution::FileBytes;
use retake_recorder::{Beside, FoundBeside};
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
    fn of(&self, path: &Path, bytes: Arc<MappedFile>) -> FoundBeside {
        let bytes: FileBytes = bytes;
        let found = files_beside(path, Arc::clone(&bytes));
        let mut found = FoundBeside { files: found.files, looked_at: found.looked_at };
        if self.sources == Sources::Kept {
            found.files.extend(sources_of(path, bytes));
            found.looked_at = None;
        }
        found
    }
}
