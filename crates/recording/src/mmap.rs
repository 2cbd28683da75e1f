//! Files mapped for reading.
#![expect(unsafe_code, reason = "mapping a file")]

use std::fs::{self, File};
use std::io;
use std::path::Path;

use memmap2::Mmap;

use crate::error::RecordingError;

/// Opens a file of a recording. A stranger's recording may have anything under its name: a pipe would not open, and a
/// device not end.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    File::open(path)
}

/// The bytes of a file as they are now.
///
/// Recordings are append-only, and kept files are never written again: bytes that are there do not change. Someone who truncates a recording
/// while it is read gets a SIGBUS, as with every mapped file; retake itself never does.
#[derive(Debug)]
pub struct MappedFile(Option<Mmap>);

impl MappedFile {
    pub(crate) fn open(path: &Path) -> Result<Self, RecordingError> {
        let failed = |error: io::Error| RecordingError::new("read", path, error);
        let file = open_regular(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the mapping is read-only and private to this process's view; the files of a
        // recording are only ever appended to, those that it keeps are not written again (see the type's page for what that leaves open).
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        Ok(Self(Some(map)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}
