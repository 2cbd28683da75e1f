//! Files that are kept for whoever looks at the recording: which, is said by whoever asked for it.

use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retake_recording::{FileEntry, FileKey, MappedFile, RecordingWriter};

/// Knows which files belong to a program: those with its debug information, as a rule.
pub trait Beside: fmt::Debug + Send + Sync {
    /// What belongs to a program or library that was at `path` and has these bytes.
    fn of(&self, path: &Path, bytes: Arc<MappedFile>) -> FoundBeside;
}

/// Files that belong to a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundBeside {
    /// Their paths.
    pub files: Vec<PathBuf>,
    /// The paths that were looked at, if the answer depends on what is there and on nothing else: it need not be
    /// looked for again then.
    pub looked_at: Option<Vec<PathBuf>>,
}

/// Keeps what lies beside the files of a recording. It is done when the program has ended: nothing waits for it but the
/// end of the recording.
pub(crate) fn keep(beside: &dyn Beside, writer: &mut RecordingWriter) {
    let mut kept: Vec<PathBuf> = Vec::new();
    for entry in writer.kept_files() {
        for file in files_beside(beside, writer, &entry) {
            if kept.contains(&file) {
                continue;
            }
            if let Err(why) = keep_one(writer, &file) {
                let text = format!(
                    "failed to keep {}: {why}; it will be looked for there again",
                    file.display()
                );
                writer.update_manifest(|manifest| manifest.warnings.push(text));
            }
            kept.push(file);
        }
    }
}

fn files_beside(beside: &dyn Beside, writer: &RecordingWriter, entry: &FileEntry) -> Vec<PathBuf> {
    if let Some(known) = writer.beside(entry) {
        return known;
    }
    let Some(contents) = writer.contents(entry) else { return Vec::new() };
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&entry.path));
    let found = beside.of(&path, Arc::new(contents));
    if let Some(looked_at) = &found.looked_at {
        writer.remember_beside(entry, looked_at, &found.files);
    }
    found.files
}

fn keep_one(writer: &mut RecordingWriter, path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|err| err.to_string())?;
    let about = file.metadata().map_err(|err| err.to_string())?;
    let key = FileKey::of(&about);
    writer.add_beside(path.as_os_str().as_bytes(), &file, key).map_err(|err| err.to_string())
}
