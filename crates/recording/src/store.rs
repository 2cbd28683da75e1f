//! Mapped files: one content store for all recordings of a user, hard-linked into each.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use retake_model::FileId;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// What tells that a file is the one seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileKey {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// Last change of contents, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of the inode, nanoseconds since 1970.
    pub ctime_ns: i64,
}

/// A file that the recording keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its number.
    pub id: FileId,
    /// Its path when it was mapped, for people.
    #[serde(with = "crate::bytes")]
    pub path: Vec<u8>,
    /// Length in bytes.
    pub len: u64,
    /// Hash of its contents: its name below `files/`.
    pub hash: u128,
}

/// Name of a kept file. Made of digits only, so that no recording can name a path outside.
pub(crate) fn file_name(hash: u128) -> String {
    format!("{hash:032x}")
}

/// Keeps files for one recording.
#[derive(Debug)]
pub(crate) struct FileStore {
    store: PathBuf,
    files: PathBuf,
    known: BTreeMap<FileKey, FileEntry>,
    next: FileId,
}

impl FileStore {
    pub(crate) fn new(store: &Path, dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(store.join("keys"))?;
        let files = dir.join("files");
        fs::create_dir_all(&files)?;
        let store = store.to_owned();
        Ok(Self { store, files, known: BTreeMap::new(), next: FileId::new(0) })
    }

    /// The entry of a file, and whether it is new to this recording.
    pub(crate) fn keep(
        &mut self,
        path: &[u8],
        source: &File,
        key: FileKey,
    ) -> io::Result<(FileEntry, bool)> {
        if let Some(entry) = self.known.get(&key) {
            return Ok((entry.clone(), false));
        }
        let hash = match self.remembered(key) {
            Some(hash) => hash,
            None => self.store_contents(source, key)?,
        };
        let name = file_name(hash);
        let (stored, kept) = (self.store.join(&name), self.files.join(&name));
        if !kept.exists() && fs::hard_link(&stored, &kept).is_err() {
            fs::copy(&stored, &kept)?;
        }
        let entry = FileEntry { id: self.next, path: path.to_owned(), len: key.size, hash };
        self.next = self.next.next();
        self.known.insert(key, entry.clone());
        Ok((entry, true))
    }

    fn key_path(&self, key: FileKey) -> PathBuf {
        let FileKey { dev, ino, size, mtime_ns, ctime_ns } = key;
        self.store.join("keys").join(format!("{dev:x}-{ino:x}-{size:x}-{mtime_ns:x}-{ctime_ns:x}"))
    }

    fn remembered(&self, key: FileKey) -> Option<u128> {
        let text = fs::read_to_string(self.key_path(key)).ok()?;
        let hash = u128::from_str_radix(text.trim(), 16).ok().filter(|_| text.len() == 32)?;
        let meta = fs::metadata(self.store.join(file_name(hash))).ok()?;
        (meta.len() == key.size).then_some(hash)
    }

    /// Copies a file into the store under its hash. What is kept is what was read, also if the file
    /// changes meanwhile; then it is not remembered.
    fn store_contents(&self, source: &File, key: FileKey) -> io::Result<u128> {
        let mut source = source.try_clone()?;
        // The program's own offset is not ours to move: a descriptor opened anew has its own.
        source.seek(SeekFrom::Start(0))?;
        let temp = self.store.join(format!("new-{}-{:x}", std::process::id(), key.ino));
        let mut out = File::create(&temp)?;
        let mut hasher = Xxh3::new();
        let mut buffer = vec![0; 1 << 20];
        let mut len = 0_u64;
        loop {
            let got = source.read(&mut buffer)?;
            let Some(part) = buffer.get(..got).filter(|part| !part.is_empty()) else {
                break;
            };
            hasher.update(part);
            out.write_all(part)?;
            len += got as u64;
        }
        drop(out);
        let hash = hasher.digest128() ^ u128::from(len);
        let stored = self.store.join(file_name(hash));
        fs::rename(&temp, &stored)?;
        if len == key.size {
            let mark = self.store.join(format!("key-{}-{:x}", std::process::id(), key.ino));
            fs::write(&mark, format!("{hash:032x}"))?;
            fs::rename(&mark, self.key_path(key))?;
        }
        Ok(hash)
    }
}
