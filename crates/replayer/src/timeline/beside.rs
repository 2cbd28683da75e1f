//! The files beside the program that a recording keeps.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use retake_execution::{FileBytes, KeptFiles};
use retake_recording::Recording;

/// Those of a recording.
#[derive(Clone, Debug)]
pub(super) struct Beside(pub(super) Recording);

impl KeptFiles for Beside {
    fn at(&self, path: &Path) -> Vec<FileBytes> {
        let path = path.as_os_str().as_bytes();
        let of_path = self.0.beside().iter().filter(|file| file.path == path);
        // One whose contents are gone is looked for where it was.
        let bytes = of_path.filter_map(|file| self.0.map_beside(file).ok());
        bytes.map(|bytes| -> FileBytes { Arc::new(bytes) }).collect()
    }
}
