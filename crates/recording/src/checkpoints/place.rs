//! Places that a debugger keeps: the whole state of all tasks at one moment, in a file of `index/`.
//!
//! Such a file is derived data. One that is damaged, of another recording or of another version is as good as
//! none.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use retake_model::{Addr, PageAddr, Registers, SharedId, SpaceId, TaskId};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::checkpoints::checkpoint::Checkpoint;
use crate::codec::{put, take, unpack};
use crate::mmap::MappedFile;

/// With the version of this form at its end.
const MAGIC: [u8; 8] = *b"RTPLACE1";
/// zstd's fastest ordinary level: somebody waits for it.
const LEVEL: i32 = 1;
/// Bytes of pages at most.
const MOST: usize = 1 << 30;

/// A kept place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPlace {
    /// The recording's, from its manifest.
    #[serde(with = "crate::codec::text")]
    pub recording: String,
    /// Tasks, spaces and shared objects after the last event. Its lists of pages are empty.
    pub state: Checkpoint,
    /// The task that has run since, and its registers.
    pub runner: Option<(TaskId, Registers)>,
    /// Branches that it has executed since, if they were counted.
    pub branches: Option<u64>,
    /// Where it stands.
    pub standing_at: Option<Addr>,
    /// Private pages, in the order of their contents.
    pub pages: Vec<(SpaceId, PageAddr)>,
    /// Pages of shared objects, by their number in the object; their contents follow.
    pub shared: Vec<(SharedId, u64)>,
    /// The contents of all these pages, one after the other.
    #[serde(with = "crate::codec::bytes")]
    pub contents: Vec<u8>,
}

impl KeptPlace {
    /// Writes it into a file that is either whole or not there.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut raw = Vec::new();
        put(self, &mut raw);
        let packed = zstd::bulk::compress(&raw, LEVEL)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let draft = path.with_extension("draft");
        let mut file = fs::File::create(&draft)?;
        file.write_all(&MAGIC)?;
        file.write_all(&(raw.len() as u64).to_le_bytes())?;
        file.write_all(&xxh3_64(&packed).to_le_bytes())?;
        file.write_all(&packed)?;
        drop(file);
        fs::rename(&draft, path)
    }

    /// Reads one of this recording; nothing if it is none.
    pub fn read(path: &Path, recording: &str) -> Option<Self> {
        let file = MappedFile::open(path).ok()?;
        let rest = file.bytes().strip_prefix(&MAGIC)?;
        let (len, rest) = rest.split_first_chunk()?;
        let (sum, packed) = rest.split_first_chunk()?;
        if u64::from_le_bytes(*sum) != xxh3_64(packed) {
            return None;
        }
        let len = usize::try_from(u64::from_le_bytes(*len)).ok().filter(|len| *len <= MOST)?;
        let raw = unpack(packed, len)?;
        let place: Self = take(&mut raw.as_slice())?;
        (place.recording == recording).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use retake_model::{CheckpointIndex, EventIndex};

    use super::*;

    #[test]
    fn only_a_whole_place_of_this_recording_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index/place");
        let state = Checkpoint {
            index: CheckpointIndex::new(0),
            event: EventIndex::new(7),
            run_time_ns: 0,
            complete: true,
            current: TaskId::new(1),
            tasks: Vec::new(),
            spaces: Vec::new(),
            shared: Vec::new(),
            segments: Vec::new(),
        };
        let place = KeptPlace {
            recording: "abc".to_owned(),
            state,
            runner: Some((TaskId::new(1), Registers::default())),
            branches: Some(12),
            standing_at: Some(Addr::new(0x1000)),
            pages: Vec::new(),
            shared: Vec::new(),
            contents: vec![7; 4096],
        };
        place.write(&path).unwrap();
        assert_eq!(KeptPlace::read(&path, "abc"), Some(place));
        assert_eq!(KeptPlace::read(&path, "abd"), None);
        let whole = fs::read(&path).unwrap();
        for cut in [0, 7, 8, 20, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(KeptPlace::read(&path, "abc"), None, "{cut}");
        }
        let mut changed = whole;
        if let Some(last) = changed.last_mut() {
            *last ^= 1;
        }
        fs::write(&path, changed).unwrap();
        assert_eq!(KeptPlace::read(&path, "abc"), None);
    }
}
