//! Which recordings are being written right now.
//!
//! A recorder holds a lock on a file in the recording's folder, which names it, for as long as it
//! writes. The kernel lets go of the lock when the recorder ends, however it ends.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use retake_model::Tid;

use crate::error::{RecordingError, RecordingErrorKind};

/// Name of the file within a recording: the recorder's process number, as text.
const RECORDER: &str = "recorder";
/// Longest text that is taken for a process number.
const NUMBER_LEN: u64 = 16;

/// Says, for as long as it lives, that this process writes the recording.
#[derive(Debug)]
#[must_use = "the recording is live only while this is held"]
pub struct Lock {
    path: PathBuf,
    /// Absent where files cannot be locked (some network file systems): recording goes on there, and
    /// does not show as such.
    held: Option<File>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.held.is_some() {
            // What cannot be deleted is not locked any more either: it says nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes this process the recorder of the recording in `dir`.
///
/// # Errors
/// When another one is, or no file can be made there.
pub fn hold(dir: &Path) -> Result<Lock, RecordingError> {
    let path = dir.join(RECORDER);
    if recorder_of(dir).is_some() {
        return Err(RecordingError::new("create", dir, RecordingErrorKind::Exists));
    }
    // Nobody sees the file before it is locked and says whose it is.
    let unseen = dir.join(format!("{RECORDER}.{}", std::process::id()));
    let failed = |error: std::io::Error| RecordingError::new("create", &unseen, error);
    let mut file = File::create(&unseen).map_err(failed)?;
    if let Err(error) = writeln!(file, "{}", std::process::id()) {
        // A full disk: nothing is left on it.
        let _ = fs::remove_file(&unseen);
        return Err(failed(error));
    }
    if file.try_lock().is_err() {
        fs::remove_file(&unseen).map_err(failed)?;
        return Ok(Lock { path, held: None });
    }
    fs::rename(&unseen, &path).map_err(failed)?;
    Ok(Lock { path, held: Some(file) })
}

/// The process that writes the recording in `dir`. None: nobody does, or it cannot be known.
pub fn recorder_of(dir: &Path) -> Option<Tid> {
    let path = dir.join(RECORDER);
    // A stranger's recording may have anything under this name, such as a pipe that would not open.
    if !fs::symlink_metadata(&path).ok()?.is_file() {
        return None;
    }
    let file = File::open(&path).ok()?;
    let Err(TryLockError::WouldBlock) = file.try_lock_shared() else {
        return None;
    };
    let mut text = String::new();
    file.take(NUMBER_LEN).read_to_string(&mut text).ok()?;
    // Numbers up to 1 are no recorder's, and mean something else to kill(2).
    text.trim().parse().ok().filter(|number| *number > 1).map(Tid::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Temp(PathBuf);

    impl Temp {
        fn new(test: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("retake-{test}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }

    impl Drop for Temp {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn this_process() -> Option<Tid> {
        i32::try_from(std::process::id()).ok().map(Tid::new)
    }

    #[test]
    fn a_recording_is_live_while_the_lock_is_held() {
        let temp = Temp::new("live");
        assert_eq!(recorder_of(&temp.0), None);
        let lock = hold(&temp.0).unwrap();
        assert_eq!(recorder_of(&temp.0), this_process());
        assert!(hold(&temp.0).is_err());
        assert_eq!(recorder_of(&temp.0), this_process());
        drop(lock);
        assert_eq!(recorder_of(&temp.0), None);
        assert_eq!(fs::read_dir(&temp.0).unwrap().count(), 0);
    }

    #[test]
    fn a_file_without_a_lock_or_a_number_is_no_recorder() {
        let temp = Temp::new("not-live");
        let path = temp.0.join(RECORDER);
        fs::write(&path, "4242\n").unwrap();
        assert_eq!(recorder_of(&temp.0), None);
        for text in ["-1", "0", "1", "", "4242 4242 4242 4242", "pid"] {
            fs::write(&path, text).unwrap();
            let file = File::open(&path).unwrap();
            file.lock().unwrap();
            assert_eq!(recorder_of(&temp.0), None, "{text:?}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(recorder_of(&temp.0), None);
    }
}
