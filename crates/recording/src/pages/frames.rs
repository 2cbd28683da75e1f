//! The page store: every distinct page once, several to a frame.

#![expect(
    clippy::disallowed_types,
    reason = "looked up by hash only; the order of pages never shows"
)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};

use retake_model::PageId;

use crate::codec::Packer;

/// Pages in one frame: enough for zstd to find repetition, few enough to read one cheaply.
pub(crate) const FRAME_PAGES: usize = 64;

/// Writes pages that are not stored yet.
#[derive(Debug)]
pub(crate) struct PageWriter {
    file: File,
    known: HashMap<PageId, ()>,
    ids: Vec<PageId>,
    bytes: Vec<u8>,
    frames: u32,
    packer: Option<Packer>,
    packed: Vec<u8>,
}

impl PageWriter {
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            known: HashMap::new(),
            ids: Vec::new(),
            bytes: Vec::new(),
            frames: 0,
            packer: None,
            packed: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, id: PageId, page: &[u8]) -> io::Result<()> {
        if self.known.insert(id, ()).is_some() {
            return Ok(());
        }
        self.ids.push(id);
        self.bytes.extend_from_slice(page);
        if self.ids.len() >= FRAME_PAGES { self.flush() } else { Ok(()) }
    }

    /// Writes the open frame: the ids, then the contents, in one compressed piece.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<u8> = self.ids.iter().flat_map(|id| id.hash().to_le_bytes()).collect();
        let count = u32::try_from(self.ids.len()).unwrap_or(0);
        // The ids go first, uncompressed and in a frame of their own, so that the index is read
        // without unpacking pages.
        let packer = match &mut self.packer {
            Some(packer) => packer,
            none => none.insert(Packer::new()?),
        };
        self.packed.clear();
        packer.pack(self.frames, 0, count, &ids, &mut self.packed)?;
        packer.pack(self.frames, 1, count, &self.bytes, &mut self.packed)?;
        self.file.write_all(&self.packed)?;
        self.frames += 1;
        self.ids.clear();
        self.bytes.clear();
        Ok(())
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

/// Where each page is: offset of its frame in the file, and its place in it.
#[derive(Debug, Default)]
pub(crate) struct PageIndex {
    places: HashMap<PageId, (usize, u32)>,
}

impl PageIndex {
    pub(crate) fn insert(&mut self, id: PageId, frame_offset: usize, nth: u32) {
        self.places.entry(id).or_insert((frame_offset, nth));
    }

    pub(crate) fn find(&self, id: PageId) -> Option<(usize, usize)> {
        let (offset, nth) = *self.places.get(&id)?;
        Some((offset, usize::try_from(nth).ok()?))
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}
