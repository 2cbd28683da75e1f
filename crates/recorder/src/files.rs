//! Mapped files and shared objects of the recorded program.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use retake_model::{Addr, FileId, PAGE_SIZE, SharedId};
use retake_recording::{Effect, FileKey, PageBatch, RecordingWriter};

use crate::error::RecordError;

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
    shared: BTreeMap<(u64, u64), SharedObject>,
    next_shared: u32,
    warned: bool,
}

/// Memory that several mappings share.
#[derive(Debug)]
pub(crate) struct SharedObject {
    pub(crate) id: SharedId,
    pub(crate) len: u64,
    /// A descriptor of it, to read its contents at checkpoints.
    pub(crate) file: Option<File>,
}

fn key(file: &File) -> Option<FileKey> {
    let meta = file.metadata().ok()?;
    Some(FileKey {
        dev: meta.dev(),
        ino: meta.ino(),
        size: meta.size(),
        mtime_ns: meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()),
        ctime_ns: meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec()),
    })
}

/// Keeps a regular file in the recording.
pub(crate) fn keep(
    writer: &mut RecordingWriter,
    path: &Path,
    file: &File,
) -> Result<Mapped, RecordError> {
    use std::os::unix::ffi::OsStrExt;
    let Ok(meta) = file.metadata() else { return Ok(Mapped::Other) };
    if meta.file_type().is_char_device() && meta.rdev() == 0x105 {
        return Ok(Mapped::Zero);
    }
    match key(file) {
        Some(key) if meta.is_file() && meta.size() > 0 => {
            Ok(Mapped::Kept(writer.add_file(path.as_os_str().as_bytes(), file, key)?))
        }
        _ => Ok(Mapped::Other),
    }
}

fn is_zero(page: &[u8]) -> bool {
    page.iter().all(|&b| b == 0)
}

/// The pages of `file` from byte `from` on that are not zero.
pub(crate) fn nonzero_pages(file: &File, from: u64, len: u64) -> PageBatch {
    let mut batch = PageBatch { addrs: Vec::new(), bytes: Vec::new() };
    let page_len = usize::try_from(PAGE_SIZE).unwrap_or(4096);
    let mut buffer = vec![0_u8; page_len * 256];
    let mut at = from;
    while at < len {
        let Ok(got @ 1..) = file.read_at(&mut buffer, at) else { break };
        buffer.get_mut(got..).unwrap_or_default().fill(0);
        for (n, page) in (0_u64..).zip(buffer.chunks(page_len)) {
            let page_at = at + n * PAGE_SIZE;
            if page_at < len && !is_zero(page) {
                batch.addrs.push(Addr::new(page_at).page());
                batch.bytes.extend_from_slice(page);
            }
        }
        at += PAGE_SIZE * 256;
    }
    batch
}

impl Files {
    /// Every shared object, for checkpoints.
    pub(crate) fn shared(&self) -> impl Iterator<Item = &SharedObject> {
        self.shared.values()
    }

    /// The shared object of this device and inode. If it is new, or longer than it was, effects say
    /// so; `file` is a descriptor of it if there is one.
    pub(crate) fn shared_object(
        &mut self,
        writer: &mut RecordingWriter,
        identity: (u64, u64),
        len: u64,
        file: Option<File>,
        effects: &mut Vec<Effect>,
    ) -> SharedId {
        let len = len.next_multiple_of(PAGE_SIZE);
        if let Some(known) = self.shared.get_mut(&identity) {
            if len > known.len {
                effects.push(Effect::ResizeShared { shared: known.id, len });
                if let Some(file) = &file {
                    let more = nonzero_pages(file, known.len, len);
                    for (addr, bytes) in more.addrs.iter().zip(more.bytes.chunks(4096)) {
                        let offset = addr.addr().get();
                        let bytes = bytes.to_vec();
                        effects.push(Effect::SharedWrite { shared: known.id, offset, bytes });
                    }
                }
                known.len = len;
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
                .store_image_pages(nonzero_pages(file, 0, len))
                .into_iter()
                .map(|(page, id)| (page.addr().get() / PAGE_SIZE, id))
                .collect(),
            None => Vec::new(),
        };
        effects.push(Effect::NewShared { shared: id, len, pages });
        self.shared.insert(identity, SharedObject { id, len, file });
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
