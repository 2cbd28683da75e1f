//! What was found out about a kept file by looking at others, remembered in the store with what was looked at: it holds
//! as long as all of that is as it was.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::store::files::{FileKey, file_name};

/// A path, and what was there.
#[derive(Debug, Serialize, Deserialize)]
struct Looked {
    #[serde(with = "crate::codec::bytes")]
    path: Vec<u8>,
    was: Option<FileKey>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    looked: Vec<Looked>,
    files: Vec<Found>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Found {
    #[serde(with = "crate::codec::bytes")]
    path: Vec<u8>,
}

/// Where it is remembered which files belong to the one with this hash, which was at `path`.
fn place(store: &Path, hash: u128, path: &[u8]) -> PathBuf {
    store.join("keys").join(format!("beside-{}-{:016x}", file_name(hash), xxh3_64(path)))
}

fn now_at(path: &[u8]) -> Option<FileKey> {
    fs::metadata(OsStr::from_bytes(path)).ok().map(|meta| FileKey::of(&meta))
}

/// The files that were found, if everything that was looked at is as it was.
pub(crate) fn files(store: &Path, hash: u128, path: &[u8]) -> Option<Vec<PathBuf>> {
    let text = fs::read(place(store, hash, path)).ok()?;
    let memory: Memory = serde_json::from_slice(&text).ok()?;
    let holds = memory.looked.iter().all(|looked| now_at(&looked.path) == looked.was);
    let found = memory.files.into_iter().map(|found| OsStr::from_bytes(&found.path).into());
    holds.then(|| found.collect())
}

/// Remembers which files were found. Where that fails, they are looked for again.
pub(crate) fn remember(
    store: &Path,
    hash: u128,
    path: &[u8],
    (looked, found): (&[PathBuf], &[PathBuf]),
) {
    let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
    let looked = looked.iter().map(bytes).map(|path| Looked { was: now_at(&path), path });
    let memory = Memory {
        looked: looked.collect(),
        files: found.iter().map(|path| Found { path: bytes(path) }).collect(),
    };
    if memory.looked.iter().filter_map(|looked| looked.was).any(|key| key.is_fresh()) {
        return;
    }
    let temp = store.join(format!("key-{}-{:016x}", std::process::id(), xxh3_64(path)));
    let Ok(text) = serde_json::to_vec(&memory) else { return };
    if fs::write(&temp, text).is_ok() {
        let _ = fs::rename(&temp, place(store, hash, path));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// A file that was not written just now.
    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        let before = SystemTime::now() - Duration::from_secs(60);
        fs::File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
    }

    /// Until what was written is old enough to be remembered.
    fn until_old(path: &Path) {
        while FileKey::of(&fs::metadata(path).unwrap()).is_fresh() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn it_holds_while_everything_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        fs::create_dir_all(store.join("keys")).unwrap();
        let (there, absent) = (dir.path().join("there"), dir.path().join("absent"));
        write(&there, "1");
        until_old(&there);
        let looked = [there.clone(), absent.clone()];
        let learn = || remember(&store, 7, b"/bin/x", (&looked, std::slice::from_ref(&there)));
        let known = || files(&store, 7, b"/bin/x");
        assert_eq!(known(), None);
        learn();
        assert_eq!(known(), Some(vec![there.clone()]));
        assert_eq!(files(&store, 8, b"/bin/x"), None, "other contents");
        assert_eq!(files(&store, 7, b"/bin/y"), None, "another folder");

        write(&absent, "2");
        assert_eq!(known(), None, "there is one more");
        until_old(&absent);
        learn();
        assert!(known().is_some());
        write(&there, "3");
        assert_eq!(known(), None, "it was written again, with the same length");
        learn();
        assert_eq!(known(), None, "it may change again within the same tick");
        fs::write(place(&store, 7, b"/bin/x"), "{").unwrap();
        assert_eq!(known(), None, "damaged");
    }
}
