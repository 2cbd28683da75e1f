//! Folders of recordings.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{RecordingError, RecordingErrorKind};
use crate::names;
use crate::reader::Recording;

/// Every recording right below `root`, by name. A link to another one there is no recording of its own.
pub fn list(root: &Path) -> Vec<(PathBuf, Result<Recording, RecordingError>)> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| is_recording(path) && !leads_to_a_neighbor(path);
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    dirs.sort();
    dirs.into_iter().map(|dir| (dir.clone(), Recording::open(&dir))).collect()
}

fn leads_to_a_neighbor(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|target| target.components().count() == 1)
}

/// Whether there is a recording in `dir`.
pub fn is_recording(dir: &Path) -> bool {
    dir.join(names::FINISHED).is_file() || dir.join(names::PARTIAL).is_file()
}

/// Deletes a recording.
///
/// # Errors
/// When there is none in `dir`, or the system refuses.
pub fn remove(dir: &Path) -> Result<(), RecordingError> {
    if !is_recording(dir) {
        return Err(RecordingError::new("remove", dir, RecordingErrorKind::NotARecording));
    }
    fs::remove_dir_all(dir).map_err(|error| RecordingError::new("remove", dir, error))
}

/// Bytes that deleting `dir` would free: files that other recordings share count as nothing.
pub fn disk_usage(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_usage(&entry.path()),
            // Of kept files with holes less than their length is on the disk.
            Ok(meta) if meta.nlink() == 1 => meta.len().min(meta.blocks() * 512),
            _ => 0,
        })
        .sum()
}
