//! What was found out about the contents of a file, noted in the store for all recordings: it holds for as long as the
//! file has the same key.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::files::FileKey;

/// What a note is about, with the number of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteSubject {
    /// Where instructions are in it that give random numbers.
    RandomInstructions,
    /// Where instructions are in it that look at the time-stamp counter.
    ClockInstructions,
}

impl NoteSubject {
    fn name(self) -> &'static str {
        match self {
            Self::RandomInstructions => "random-1",
            Self::ClockInstructions => "clocks-1",
        }
    }
}

fn place(store: &Path, key: FileKey, subject: NoteSubject) -> PathBuf {
    store.join("keys").join(format!("{}-{}", subject.name(), key.name()))
}

/// What was noted; none if nothing was, or if it is damaged.
pub(crate) fn noted<T: DeserializeOwned>(
    store: &Path,
    key: FileKey,
    subject: NoteSubject,
) -> Option<T> {
    serde_json::from_slice(&fs::read(place(store, key, subject)).ok()?).ok()
}

/// Notes it. Where that fails, or the file was changed just now, it has to be found out again.
pub(crate) fn note<T: Serialize>(store: &Path, key: FileKey, subject: NoteSubject, what: &T) {
    if key.is_fresh() {
        return;
    }
    let temp = store.join(format!("key-{}-{}-{:x}", std::process::id(), subject.name(), key.ino));
    let Ok(text) = serde_json::to_vec(what) else { return };
    if fs::write(&temp, text).is_ok() {
        let _ = fs::rename(&temp, place(store, key, subject));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_of_one_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("keys")).unwrap();
        let key = FileKey { dev: 1, ino: 2, size: 3, mtime_ns: 4, ctime_ns: 5 };
        let about = NoteSubject::RandomInstructions;
        let known = |key| noted::<Vec<u64>>(dir.path(), key, about);
        assert_eq!(known(key), None);
        note(dir.path(), key, about, &vec![6_u64]);
        assert_eq!(known(key), Some(vec![6]));
        assert_eq!(known(FileKey { mtime_ns: 6, ..key }), None, "changed since");
        let fresh = FileKey { ctime_ns: i64::MAX, ..key };
        note(dir.path(), fresh, about, &vec![6_u64]);
        assert_eq!(known(fresh), None, "it may change again within the same tick");
        fs::write(place(dir.path(), key, about), "{").unwrap();
        assert_eq!(known(key), None, "damaged");
    }
}
