//! One debugger in a session at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::{SessionError, at};

/// What a debugger that was killed has left ends sooner than this many times [`SOON`].
const TRIES: usize = 400;
const SOON: Duration = Duration::from_millis(5);

/// Holds a session's lock file; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(path: &Path, name: &str) -> Result<Self, SessionError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(at("open", path))?;
        let mut holder = None;
        for tries in 0.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries == 0 => holder = number_in(&mut file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(SOON),
                Err(TryLockError::Error(err)) => return Err(at("lock", path)(err)),
            }
            // A process that a debugger was about to start has its files until it is killed too, or executes its
            // program: that is right after the debugger was killed.
            if tries == TRIES || !holder.is_some_and(is_gone) {
                return Err(SessionError::InUse { name: name.to_owned(), pid: holder });
            }
        }
        // The number is only for the message of the one who comes second: a full disk does not matter.
        let empty = file.rewind().and_then(|()| file.set_len(0));
        let _ = empty.and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// The process that a lock file names, if that can be read.
fn number_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_gone(pid: u32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    /// A lock that somebody holds who is not the process that the file names.
    fn held(path: &Path, pid: u32) -> File {
        fs::write(path, format!("{pid}\n")).unwrap();
        let file = File::open(path).unwrap();
        file.try_lock().unwrap();
        file
    }

    fn process_that_is_gone() -> u32 {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[test]
    fn what_a_killed_debugger_has_left_is_waited_for() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("lock");
        let gone = process_that_is_gone();
        let left = held(&path, gone);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(SOON * 4);
                drop(left);
            });
            Lock::take(&path, "it").unwrap();
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        // Not for ever.
        let _left = held(&path, gone);
        let err = Lock::take(&path, "it").unwrap_err();
        assert!(matches!(err, SessionError::InUse { pid, .. } if pid == Some(gone)), "{err}");
    }
}
