//! The store of kept files: who is using it, and what nobody needs any more.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::home::{Home, HomeError};

/// Puts everything in order after recordings were deleted: `latest`, and stored files that nobody
/// needs any more, whose size is given. While a recorder is at work, which may be about to link
/// one, they stay for the next time.
pub(crate) fn tidy(home: &Home) -> Result<u64, HomeError> {
    home.repair_latest()?;
    let frozen = freeze(&home.store());
    Ok(frozen.map_or(0, |_frozen| clean(&home.store())))
}

/// Says, for as long as the value lives, that a recorder may be about to link stored files.
pub(crate) fn use_store(store: &Path) -> Option<File> {
    // Without locks (some network file systems) recording must go on.
    let lock = open_lock(store).ok()?;
    lock.lock_shared().ok()?;
    Some(lock)
}

/// Keeps recorders from using stored files. `None`: one is at work.
fn freeze(store: &Path) -> Option<File> {
    let lock = open_lock(store).ok()?;
    lock.try_lock().ok()?;
    Some(lock)
}

fn open_lock(store: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(store.join("lock"))
}

/// Deletes stored files that no recording links to, and gives their size. What cannot be deleted
/// stays for the next time.
fn clean(store: &Path) -> u64 {
    let mut freed = 0;
    for entry in fs::read_dir(store).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let unused = is_content(&entry.file_name()) || is_left_over(&entry.file_name());
        if meta.is_file() && meta.nlink() == 1 && unused && fs::remove_file(entry.path()).is_ok() {
            freed += meta.len().min(meta.blocks() * 512);
        }
    }
    // Each key says which contents a file on this machine had.
    for entry in fs::read_dir(store.join("keys")).into_iter().flatten().flatten() {
        let kept = fs::read_to_string(entry.path())
            .is_ok_and(|name| is_content(OsStr::new(&name)) && store.join(name).exists());
        if !kept {
            let _ = fs::remove_file(entry.path());
        }
    }
    freed
}

/// Whether this is the name of stored contents: its hash.
fn is_content(name: &OsStr) -> bool {
    name.to_str().is_some_and(|n| n.len() == 32 && n.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether this is what a killed recorder was writing.
fn is_left_over(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("new-") || name.starts_with("key-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_links_to_is_deleted() {
        let root = std::env::temp_dir().join(format!("retake-clean-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let store = root.join("store");
        fs::create_dir_all(store.join("keys")).unwrap();
        let (used, unused) = ("a".repeat(32), "b".repeat(32));
        for (name, key) in [(&used, "1"), (&unused, "2")] {
            fs::write(store.join(name), "12345").unwrap();
            fs::write(store.join("keys").join(key), name).unwrap();
        }
        fs::hard_link(store.join(&used), root.join("kept")).unwrap();
        for name in ["lock", "notes", "new-1-2"] {
            fs::write(store.join(name), "123").unwrap();
        }
        assert_eq!(clean(&store), 8);
        let left = |dir: &Path| {
            let mut names: Vec<_> =
                fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(left(&store), [used.as_str(), "keys", "lock", "notes"]);
        assert_eq!(left(&store.join("keys")), ["1"]);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn the_store_is_frozen_only_while_nobody_uses_it() {
        let store = std::env::temp_dir().join(format!("retake-lock-{}", std::process::id()));
        fs::create_dir_all(&store).unwrap();
        let used = [use_store(&store), use_store(&store)];
        assert!(used.iter().all(Option::is_some));
        assert!(freeze(&store).is_none());
        drop(used);
        assert!(freeze(&store).is_some());
        fs::remove_dir_all(&store).unwrap();
    }
}
