//! Mapped files: one content store for all recordings of a user, hard-linked into each.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use retake_model::FileId;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::store::sparse::{self, LARGE};

const PAGE: u64 = 4096;
/// The parts of a file that are kept begin and end at multiples of a page, and of twice as much for each
/// fourth part that is kept already, up to 2^14 pages: a program that maps page after page makes few of them.
const PARTS_PER_DOUBLING: usize = 4;
const MOST_DOUBLINGS: usize = 14;

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

/// The coarsest clock of files: two changes within a tick of it may leave the same times.
const TICK_NS: i64 = 20_000_000;

impl FileKey {
    /// That of a file.
    pub fn of(meta: &fs::Metadata) -> Self {
        let ns = |seconds: i64, ns| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// As part of a file's name.
    pub(crate) fn name(&self) -> String {
        let Self { dev, ino, size, mtime_ns, ctime_ns } = self;
        format!("{dev:x}-{ino:x}-{size:x}-{mtime_ns:x}-{ctime_ns:x}")
    }

    /// Whether it was changed just now: another change may leave the same key.
    pub(crate) fn is_fresh(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        self.ctime_ns.saturating_add(TICK_NS) > now
    }
}

/// A file that the recording keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its number.
    pub id: FileId,
    /// Its path when it was mapped, for people.
    #[serde(with = "crate::codec::bytes")]
    pub path: Vec<u8>,
    /// Length in bytes.
    pub len: u64,
    /// Hash of its contents: its name below `files/`.
    pub hash: u128,
}

/// What the recording keeps of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// The number for mappings to refer to.
    pub id: FileId,
    /// Its contents beyond these bytes are not kept, and read as zero. `None`: all of it is kept.
    pub part: Option<Range<u64>>,
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
    parts: BTreeMap<FileKey, Vec<(Range<u64>, FileEntry)>>,
    next: FileId,
}

impl FileStore {
    pub(crate) fn new(store: &Path, dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(store.join("keys"))?;
        let files = dir.join("files");
        fs::create_dir_all(&files)?;
        let store = store.to_owned();
        let (known, parts) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { store, files, known, parts, next: FileId::new(0) })
    }

    /// The entry of a file, the part of it that is kept if that is not all, and whether the entry is new to
    /// this recording. `mapped` is what has to be kept: of a large file that is no program it is all that is.
    pub(crate) fn keep(
        &mut self,
        path: &[u8],
        source: &File,
        key: FileKey,
        mapped: Option<Range<u64>>,
    ) -> io::Result<(FileEntry, Option<Range<u64>>, bool)> {
        if let Some(entry) = self.known.get(&key) {
            return Ok((entry.clone(), None, false));
        }
        let part = mapped.filter(|_| key.size > LARGE && !is_program(source));
        let Some(part) = part else {
            let entry = self.new_entry(path, source, key, None)?;
            self.known.insert(key, entry.clone());
            return Ok((entry, None, true));
        };
        let there = self.parts.get(&key).map(Vec::as_slice).unwrap_or_default();
        let covers =
            |kept: &Range<u64>| kept.start <= part.start && part.end.min(key.size) <= kept.end;
        if let Some((kept, entry)) = there.iter().find(|(kept, _)| covers(kept)) {
            return Ok((entry.clone(), Some(kept.clone()), false));
        }
        let grain = PAGE << (there.len() / PARTS_PER_DOUBLING).min(MOST_DOUBLINGS);
        let end = part.end.min(key.size).next_multiple_of(grain).min(key.size);
        let part = (part.start.min(end) / grain * grain)..end;
        let entry = self.new_entry(path, source, key, Some(&part))?;
        self.parts.entry(key).or_default().push((part.clone(), entry.clone()));
        Ok((entry, Some(part), true))
    }

    /// What was kept as a whole, in the order of its first mapping.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &FileEntry> {
        let mut entries: Vec<&FileEntry> = self.known.values().collect();
        entries.sort_by_key(|entry| entry.id);
        entries.into_iter()
    }

    /// The store that recordings share.
    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// Where the contents of an entry are.
    pub(crate) fn path_of(&self, entry: &FileEntry) -> PathBuf {
        self.files.join(file_name(entry.hash))
    }

    fn new_entry(
        &mut self,
        path: &[u8],
        source: &File,
        key: FileKey,
        part: Option<&Range<u64>>,
    ) -> io::Result<FileEntry> {
        let hash = self.link(source, key, part)?;
        let entry = FileEntry { id: self.next, path: path.to_owned(), len: key.size, hash };
        self.next = self.next.next();
        Ok(entry)
    }

    /// Has the contents of a file in the recording, and gives their hash. The first time they are copied.
    pub(crate) fn link(
        &self,
        source: &File,
        key: FileKey,
        part: Option<&Range<u64>>,
    ) -> io::Result<u128> {
        let hash = match self.remembered(key, part) {
            Some(hash) => hash,
            None => self.store_contents(source, key, part)?,
        };
        let name = file_name(hash);
        let (stored, kept) = (self.store.join(&name), self.files.join(&name));
        if !kept.exists() && fs::hard_link(&stored, &kept).is_err() {
            if key.size > LARGE {
                let stored = File::open(&stored)?;
                let len = stored.metadata()?.len();
                sparse::copy(&stored, 0..len, len, &File::create(&kept)?)?;
            } else {
                fs::copy(&stored, &kept)?;
            }
        }
        Ok(hash)
    }

    fn key_path(&self, key: FileKey, part: Option<&Range<u64>>) -> PathBuf {
        let mut name = key.name();
        if let Some(Range { start, end }) = part {
            name.push_str(&format!("-{start:x}-{end:x}"));
        }
        self.store.join("keys").join(name)
    }

    fn remembered(&self, key: FileKey, part: Option<&Range<u64>>) -> Option<u128> {
        let text = fs::read_to_string(self.key_path(key, part)).ok()?;
        let hash = u128::from_str_radix(text.trim(), 16).ok().filter(|_| text.len() == 32)?;
        let meta = fs::metadata(self.store.join(file_name(hash))).ok()?;
        (meta.len() == key.size).then_some(hash)
    }

    /// Copies a file, or a part of it, into the store under its hash. What is kept is what was read, also if
    /// the file changes meanwhile; then it is not remembered, and neither is one that was changed just now.
    fn store_contents(
        &self,
        source: &File,
        key: FileKey,
        part: Option<&Range<u64>>,
    ) -> io::Result<u128> {
        let temp = self.store.join(format!("new-{}-{:x}", std::process::id(), key.ino));
        // What an earlier process of this number left is not to shine through holes.
        let _ = fs::remove_file(&temp);
        let out = File::options().read(true).write(true).create(true).truncate(true).open(&temp)?;
        let (hash, whole) = if key.size > LARGE {
            let part = part.cloned().unwrap_or(0..key.size);
            let hash = sparse::copy(source, part, key.size, &out)?;
            (hash, source.metadata()?.len() == key.size)
        } else {
            let (hash, len) = copy_all(source, out)?;
            (hash, len == key.size)
        };
        let stored = self.store.join(file_name(hash));
        fs::rename(&temp, &stored)?;
        if whole && !key.is_fresh() {
            let mark = self.store.join(format!("key-{}-{:x}", std::process::id(), key.ino));
            fs::write(&mark, format!("{hash:032x}"))?;
            fs::rename(&mark, self.key_path(key, part))?;
        }
        Ok(hash)
    }
}

/// Whether a file is a program or library (ELF): a debugger reads more of it than what is mapped.
fn is_program(file: &File) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"\x7fELF"
}

/// Copies a file, and gives the hash of its contents and its length.
fn copy_all(source: &File, mut out: File) -> io::Result<(u128, u64)> {
    let mut source = source.try_clone()?;
    // The program's own offset is not ours to move: a descriptor opened anew has its own.
    source.seek(SeekFrom::Start(0))?;
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
    Ok((hasher.digest128() ^ u128::from(len), len))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn another_file_of_this_length_is_not_taken_for_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        let recording =
            |name: &str| FileStore::new(&dir.path().join("store"), &dir.path().join(name)).unwrap();
        let kept = |store: &FileStore| {
            let file = File::open(&path).unwrap();
            let key = FileKey::of(&file.metadata().unwrap());
            (key, store.link(&file, key, None).unwrap())
        };
        let old = SystemTime::now() - Duration::from_secs(60);
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            // As tools do that unpack archives: only the change of the inode tells then.
            File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        };
        write("one");
        let (key, one) = kept(&recording("a"));
        // It was changed just now: one that is changed again within the tick would have the same key.
        assert!(!recording("a").key_path(key, None).exists());
        while key.is_fresh() {
            std::thread::yield_now();
        }
        assert_eq!(kept(&recording("a")), (key, one));
        assert!(recording("a").key_path(key, None).exists());
        // Whoever knows a file does not read it.
        let unreadable = File::options().write(true).open(&path).unwrap();
        assert_eq!(recording("b").link(&unreadable, key, None).unwrap(), one);

        write("two");
        let (_, two) = kept(&recording("c"));
        assert_ne!(one, two);
        assert_eq!(fs::read(dir.path().join("c/files").join(file_name(two))).unwrap(), b"two");
        assert_eq!(fs::read(dir.path().join("b/files").join(file_name(one))).unwrap(), b"one");
    }
}
