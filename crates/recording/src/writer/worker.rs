//! The thread that hashes, compresses and writes.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use retake_model::{AddrRange, CheckpointIndex, PageAddr, PageId, SpaceId};

use crate::checkpoints::checkpoint::{Checkpoint, SharedState, SpaceState};
use crate::checkpoints::draft::{CheckpointDraft, SpaceDraft};
use crate::checkpoints::resolved::Resolved;
use crate::codec::{pack, put};
use crate::events::chunk::OpenChunk;
use crate::events::stream::StreamPacker;
use crate::pages::batch::PageBatch;
use crate::pages::frames::PageWriter;
use crate::pages::page_id;
use crate::writer::background::{Job, Shared};

/// The files are synced so often at most. (It guards against the end of the machine. What was written outlives
/// every process without.)
pub(crate) const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Every so many checkpoints one lists all pages.
const COMPLETE_EVERY: u32 = 16;
/// After so many pages of a checkpoint the thread looks for chunks that wait.
const PAGES_BETWEEN_CHUNKS: u32 = 1024;

/// The three files it writes, and what it syncs with them.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) events: File,
    pub(crate) pages: File,
    pub(crate) checkpoints: File,
    pub(crate) manifest: PathBuf,
}

/// Runs until [`Shared::close`], and says how many checkpoints were written.
pub(crate) fn run(shared: &Arc<Shared>, outputs: Outputs) -> u32 {
    let mut worker = Worker {
        events: outputs.events,
        checkpoints: outputs.checkpoints,
        manifest: outputs.manifest,
        pages: PageWriter::new(outputs.pages),
        resolved: Resolved::default(),
        packer: StreamPacker::begun(),
        chunks: 0,
        checkpoint_count: 0,
        synced: Instant::now(),
    };
    while let Some(job) = shared.next() {
        shared.finished(worker.work(job, shared));
    }
    worker.checkpoint_count
}

struct Worker {
    events: File,
    checkpoints: File,
    manifest: PathBuf,
    pages: PageWriter,
    resolved: Resolved,
    packer: StreamPacker,
    chunks: u32,
    checkpoint_count: u32,
    synced: Instant,
}

impl Worker {
    fn work(&mut self, job: Job, shared: &Shared) -> io::Result<()> {
        match job {
            Job::Chunk(chunk) => self.chunk(&chunk, shared.waiting()),
            Job::Pages(batch, ids) => self.image_pages(&batch, &ids),
            Job::Checkpoint(draft) => self.checkpoint(*draft, shared),
            Job::Prepare(pool, bytes) => {
                pool.prepare(bytes);
                Ok(())
            }
        }
    }

    fn chunk(&mut self, chunk: &OpenChunk, waiting: usize) -> io::Result<()> {
        let bytes = self.packer.pack(self.chunks, chunk, waiting)?;
        self.chunks += 1;
        self.events.write_all(&bytes)
    }

    fn image_pages(&mut self, batch: &PageBatch, ids: &[PageId]) -> io::Result<()> {
        for ((_, page), id) in batch.pages().zip(ids) {
            self.pages.add(*id, page)?;
        }
        self.pages.flush()
    }

    /// Writes events that wait, which a recorder that is killed must not lose.
    fn urgent(&mut self, shared: &Shared) -> io::Result<()> {
        while let Some(job) = shared.next_urgent() {
            self.work(job, shared)?;
        }
        Ok(())
    }

    /// Stores those pages of an address space that are not what the checkpoint before has.
    fn space_pages(
        &mut self,
        (space, cleared): (SpaceId, &[AddrRange]),
        batch: &PageBatch,
        shared: &Shared,
        stored: &mut Vec<(PageAddr, PageId)>,
    ) -> io::Result<()> {
        for (n, (addr, page)) in (0_u32..).zip(batch.pages()) {
            if n % PAGES_BETWEEN_CHUNKS == 0 {
                self.urgent(shared)?;
            }
            let id = page_id(page);
            let void = cleared.iter().any(|range| range.contains(addr.addr()));
            if void || self.resolved.page(space, addr) != Some(id) {
                self.pages.add(id, page)?;
                stored.push((addr, id));
            }
        }
        Ok(())
    }

    /// What is to be stored of an address space. `None`: the copy that its pages are in is gone, or not to be
    /// waited for.
    fn space_state(
        &mut self,
        mut draft: SpaceDraft,
        shared: &Shared,
    ) -> io::Result<Option<SpaceState>> {
        let mut pages = Vec::new();
        let of = (draft.space, draft.cleared.as_slice());
        self.space_pages(of, &draft.pages, shared, &mut pages)?;
        if let Some(source) = &mut draft.later {
            let pool = draft.pages.pool().clone();
            loop {
                let mut batch = pool.batch();
                match source.read(&mut batch) {
                    _ if shared.is_hurried() => return Ok(None),
                    Ok(true) => self.space_pages(of, &batch, shared, &mut pages)?,
                    Ok(false) => break,
                    Err(_) => return Ok(None),
                }
            }
            pages.sort_unstable_by_key(|(addr, _)| *addr);
        }
        let SpaceDraft { space, mappings, cleared, .. } = draft;
        Ok(Some(SpaceState { space, mappings, cleared, pages }))
    }

    fn checkpoint(&mut self, draft: CheckpointDraft, shared: &Shared) -> io::Result<()> {
        let index = CheckpointIndex::new(self.checkpoint_count);
        let mut checkpoint = Checkpoint {
            index,
            event: draft.event,
            run_time_ns: draft.run_time_ns,
            complete: false,
            current: draft.current,
            tasks: draft.tasks,
            spaces: Vec::new(),
            shared: Vec::new(),
            segments: draft.segments,
        };
        for space in draft.spaces {
            let Some(state) = self.space_state(space, shared)? else { return Ok(()) };
            checkpoint.spaces.push(state);
        }
        let zero = page_id(&[0; 4096]);
        for object in draft.shared {
            let mut pages = Vec::new();
            let mut listed = Vec::new();
            for (addr, page) in object.pages.pages() {
                let (number, id) = (addr.addr().get() / 4096, page_id(page));
                listed.push(number);
                if self.resolved.shared_page(object.shared, number) != Some(id) {
                    self.pages.add(id, page)?;
                    pages.push((number, id));
                }
            }
            // Pages that became zero are in no list of pages that are not.
            for number in self.resolved.shared_pages(object.shared) {
                if object.complete
                    && listed.binary_search(&number).is_err()
                    && self.resolved.shared_page(object.shared, number) != Some(zero)
                {
                    self.pages.add(zero, &[0; 4096])?;
                    pages.push((number, zero));
                }
            }
            pages.sort_unstable();
            checkpoint.shared.push(SharedState { shared: object.shared, len: object.len, pages });
        }
        self.pages.flush()?;
        self.resolved.apply(&checkpoint);
        if index.get().is_multiple_of(COMPLETE_EVERY) {
            self.resolved.complete(&mut checkpoint);
        }
        let mut raw = Vec::new();
        put(&checkpoint, &mut raw);
        if !checkpoint.segments.is_empty() {
            put(&checkpoint.segments, &mut raw);
        }
        self.checkpoints.write_all(&pack(index.get(), checkpoint.event.get(), 1, &raw)?)?;
        self.checkpoint_count += 1;
        if self.synced.elapsed() >= SYNC_EVERY {
            File::open(&self.manifest)?.sync_data()?;
            self.pages.file().sync_data()?;
            self.events.sync_data()?;
            self.checkpoints.sync_data()?;
            self.synced = Instant::now();
        }
        Ok(())
    }
}
