//! Files that are kept for whoever looks at the recording: which, is said by whoever asked for it.

use std::fmt;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retake_recording::{MappedFile, RecordingWriter};

use crate::files::key;

/// Knows which files belong to a program: those with its debug information, as a rule.
pub trait Beside: fmt::Debug + Send + Sync {
    /// The paths of what belongs to a program or library that was at `path` and has these bytes.
    fn of(&self, path: &Path, bytes: Arc<MappedFile>) -> Vec<PathBuf>;
}

/// Keeps what lies beside the files of a recording. It is done when the program has ended: nothing waits for it but the
/// end of the recording.
pub(crate) fn keep(beside: &dyn Beside, writer: &mut RecordingWriter) {
    let mut kept: Vec<PathBuf> = Vec::new();
    for (path, contents) in writer.kept_files() {
        let path = PathBuf::from(std::ffi::OsString::from_vec(path));
        for file in beside.of(&path, Arc::new(contents)) {
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

fn keep_one(writer: &mut RecordingWriter, path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|err| err.to_string())?;
    let about = file.metadata().map_err(|err| err.to_string())?;
    let key = key(&about);
    writer.add_beside(path.as_os_str().as_bytes(), &file, key).map_err(|err| err.to_string())
}
