//! Large files of which only the mapped parts are kept: mappings that grow need more of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

use retake_model::FileId;

/// A file that is kept in part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) kept: Range<u64>,
}

/// All files that are kept in part, open: they can have been closed and deleted when more of them is needed.
#[derive(Debug, Default)]
pub(crate) struct FileParts {
    pub(super) by_id: BTreeMap<FileId, Part>,
}

impl FileParts {
    pub(crate) fn add(&mut self, id: FileId, kept: Range<u64>, path: PathBuf, file: &File) {
        if let Ok(file) = file.try_clone() {
            self.by_id.entry(id).or_insert(Part { path, file, kept });
        }
    }
}
