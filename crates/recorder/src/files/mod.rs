//! Mapped files and shared objects of the recorded program.

pub(crate) mod descriptors;
pub(crate) mod echo;
pub(crate) mod growing;
pub(crate) mod output;
pub(crate) mod parts;
pub(crate) mod served;
pub(crate) mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use retake_model::{Addr, FileId, PAGE_LEN, PAGE_SIZE, SharedId};
use retake_ptrace::ProcessMemory;
use retake_recording::{Effect, FileKey, KeptFile, PageBatch, PagePool, RecordingWriter};

use crate::book::Draft;
use crate::error::RecordError;
use crate::files::descriptors::Identity;
use crate::files::parts::FileParts;

/// What is behind a descriptor that the program maps.
#[derive(Debug)]
pub(crate) enum Mapped {
    /// A file whose contents the recording keeps.
    Kept(FileId),
    /// Memory that reads as zeroes (`/dev/zero`).
    Zero,
    /// Something else: its bytes are taken from the program's memory.
    Other,
}

/// Known files and shared objects.
#[derive(Debug, Default)]
pub(crate) struct Files {
    shared: BTreeMap<Identity, SharedObject>,
    kept: BTreeMap<Identity, Kept>,
    pub(crate) parts: FileParts,
    next_shared: u32,
    warned: bool,
}

/// A file that is or was mapped privately.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    size: u64,
    ids: BTreeSet<FileId>,
}

/// Memory that several mappings share.
#[derive(Debug)]
pub(crate) struct SharedObject {
    pub(crate) id: SharedId,
    pub(crate) len: u64,
    /// Length in bytes; `len` is that in whole pages.
    pub(crate) bytes: u64,
    /// A descriptor of it, to read its contents at checkpoints.
    pub(crate) file: Option<File>,
}

fn is_zero(page: &[u8]) -> bool {
    page.iter().all(|&b| b == 0)
}

/// The pages of `file` from byte `from` on that are not zero. Holes cost nothing.
pub(crate) fn nonzero_pages(pool: &PagePool, file: &File, from: u64, len: u64) -> PageBatch {
    const BLOCK: u64 = 256 * PAGE_SIZE;
    let mut batch = pool.batch();
    let mut buffer = vec![0_u8; 256 * PAGE_LEN];
    for (start, end) in retake_ptrace::data_ranges(file, from, len) {
        let mut at = start / PAGE_SIZE * PAGE_SIZE;
        while at < end {
            let Ok(got @ 1..) = file.read_at(&mut buffer, at) else {
                break;
            };
            buffer.get_mut(got..).unwrap_or_default().fill(0);
            for (n, page) in (0_u64..).zip(buffer.chunks(PAGE_LEN)) {
                let page_at = at + n * PAGE_SIZE;
                if page_at < end && !is_zero(page) {
                    batch.push(Addr::new(page_at).page(), page);
                }
            }
            at += BLOCK;
        }
    }
    batch
}

/// The pages of `len` bytes of a process's memory from `start` on that are not zero, at the place
/// they have in an object of which this is the part from `offset` on.
pub(crate) fn nonzero_pages_in(
    memory: &ProcessMemory,
    start: Addr,
    len: u64,
    offset: u64,
    batch: &mut PageBatch,
) {
    let mut buffer = vec![0_u8; PAGE_LEN * 256];
    let mut at = 0;
    while at < len {
        let want = usize::try_from(len - at).unwrap_or(usize::MAX).min(buffer.len());
        let Some((addr, part)) = start.checked_add(at).zip(buffer.get_mut(..want)) else {
            return;
        };
        // What cannot be read is beyond the end of the object.
        let got = memory.read(addr, part).unwrap_or(0) / PAGE_LEN;
        for (n, page) in (0_u64..).zip(part.chunks(PAGE_LEN).take(got)) {
            if !is_zero(page) {
                batch.push(Addr::new(offset + at + n * PAGE_SIZE).page(), page);
            }
        }
        at += PAGE_SIZE * (got as u64).max(1);
    }
}

impl Files {
    /// Keeps a regular file in the recording: all of it, or of a large one at least what is mapped.
    pub(crate) fn keep(
        &mut self,
        writer: &mut RecordingWriter,
        path: &Path,
        file: &File,
        mapped: Option<Range<u64>>,
    ) -> Result<Mapped, RecordError> {
        use std::os::unix::ffi::OsStrExt;
        let Ok(meta) = file.metadata() else {
            return Ok(Mapped::Other);
        };
        if meta.file_type().is_char_device() && meta.rdev() == 0x105 {
            return Ok(Mapped::Zero);
        }
        if !meta.is_file() {
            return Ok(Mapped::Other);
        }
        let key = FileKey::of(&meta);
        let KeptFile { id, part } =
            writer.add_file(path.as_os_str().as_bytes(), file, key, mapped)?;
        if let Some(part) = part {
            self.parts.add(id, part, path.to_owned(), file);
        }
        let kept = self.kept.entry((meta.dev(), meta.ino())).or_insert_with(|| Kept {
            path: path.to_owned(),
            size: 0,
            ids: BTreeSet::new(),
        });
        kept.size = meta.size();
        kept.ids.insert(id);
        Ok(Mapped::Kept(id))
    }

    /// Whether a file was ever mapped privately.
    pub(crate) fn is_kept(&self, identity: Identity) -> bool {
        self.kept.contains_key(&identity)
    }

    /// Under which numbers the recording has it.
    pub(crate) fn kept_ids(&self, identity: Identity) -> BTreeSet<FileId> {
        self.kept.get(&identity).map_or_else(BTreeSet::new, |kept| kept.ids.clone())
    }

    /// Every kept file: where it was, and its length then.
    pub(crate) fn kept_paths(&self) -> Vec<(Identity, PathBuf, u64)> {
        self.kept.iter().map(|(id, kept)| (*id, kept.path.clone(), kept.size)).collect()
    }

    /// Whether it is a shared object.
    pub(crate) fn is_shared(&self, identity: Identity) -> bool {
        self.shared.contains_key(&identity)
    }

    /// A shared object.
    pub(crate) fn object(&self, identity: Identity) -> Option<&SharedObject> {
        self.shared.get(&identity)
    }

    /// A shared object, to be changed.
    pub(crate) fn object_mut(&mut self, identity: Identity) -> Option<&mut SharedObject> {
        self.shared.get_mut(&identity)
    }

    /// Devices and inodes of all shared objects.
    pub(crate) fn identities(&self) -> impl Iterator<Item = Identity> {
        self.shared.keys().copied()
    }

    /// Forgets shared objects that are mapped nowhere; mapped again they are new ones.
    pub(crate) fn retain(&mut self, mapped: &BTreeSet<SharedId>) {
        self.shared.retain(|_, object| mapped.contains(&object.id));
    }

    /// Every shared object, for checkpoints.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &SharedObject> {
        self.shared.values()
    }

    /// The shared object of this device and inode. If it is new, or longer than it was, the event
    /// says so; `file` is a descriptor of it if there is one.
    pub(crate) fn shared_object(
        &mut self,
        writer: &mut RecordingWriter,
        draft: &mut Draft,
        identity: Identity,
        len: u64,
        file: Option<File>,
    ) -> SharedId {
        let bytes = len;
        let len = len.next_multiple_of(PAGE_SIZE);
        if let Some(known) = self.shared.get_mut(&identity) {
            if len > known.len {
                draft.add(&Effect::ResizeShared { shared: known.id, len });
                if let Some(file) = &file {
                    let more = nonzero_pages(writer.pool(), file, known.len, len);
                    for (addr, bytes) in more.pages() {
                        let offset = addr.addr().get();
                        let bytes = bytes.to_vec();
                        draft.add(&Effect::SharedWrite { shared: known.id, offset, bytes });
                    }
                }
                known.len = len;
                known.bytes = bytes;
            }
            if known.file.is_none() {
                known.file = file;
            }
            return known.id;
        }
        let id = SharedId::new(self.next_shared);
        self.next_shared += 1;
        let pages = match &file {
            Some(file) => writer
                .store_image_pages(nonzero_pages(&writer.pool().clone(), file, 0, len))
                .into_iter()
                .map(|(page, id)| (page.addr().get() / PAGE_SIZE, id))
                .collect(),
            None => Vec::new(),
        };
        draft.add(&Effect::NewShared { shared: id, len, pages });
        self.shared.insert(identity, SharedObject { id, len, bytes, file });
        id
    }

    /// Says once that a shared file mapping may be written by others.
    pub(crate) fn warn_shared(&mut self, writer: &mut RecordingWriter, path: &Path) {
        if !self.warned {
            self.warned = true;
            let text = format!(
                "{} is mapped shared: what processes outside of the recording write to it is not seen",
                path.display()
            );
            writer.update_manifest(|manifest| manifest.warnings.push(text));
        }
    }
}
