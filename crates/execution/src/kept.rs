//! Files that lay beside the program.

use std::fmt;
use std::path::Path;

use crate::FileBytes;

/// Files that a recording keeps beside those that were mapped: debug information, sources.
pub trait KeptFiles: fmt::Debug + Send + Sync {
    /// What lay at a path when it was recorded: none, or one for each time that it was another file.
    fn at(&self, path: &Path) -> Vec<FileBytes>;
}

/// No files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl KeptFiles for NoFiles {
    fn at(&self, _path: &Path) -> Vec<FileBytes> {
        Vec::new()
    }
}
