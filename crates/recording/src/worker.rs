//! The thread that hashes, compresses and writes.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use retake_model::CheckpointIndex;

use crate::background::{Job, Shared};
use crate::checkpoint::{Checkpoint, SharedState, SpaceState};
use crate::codec::{pack, put};
use crate::draft::{CheckpointDraft, page_id};
use crate::journal::OpenChunk;
use crate::pages::PageWriter;
use crate::resolved::Resolved;

/// Every so many checkpoints one lists all pages.
const COMPLETE_EVERY: u32 = 16;
/// After so many pages of a checkpoint the thread looks for chunks that wait.
const PAGES_BETWEEN_CHUNKS: u32 = 1024;

/// The three files it writes.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) events: File,
    pub(crate) pages: File,
    pub(crate) checkpoints: File,
}

/// Runs until [`Shared::close`].
pub(crate) fn run(shared: &Arc<Shared>, outputs: Outputs) {
    let mut worker = Worker {
        events: outputs.events,
        checkpoints: outputs.checkpoints,
        pages: PageWriter::new(outputs.pages),
        resolved: Resolved::default(),
        chunks: 0,
        synced: Instant::now(),
    };
    while let Some(job) = shared.next() {
        shared.finished(worker.work(job, shared));
    }
}

struct Worker {
    events: File,
    checkpoints: File,
    pages: PageWriter,
    resolved: Resolved,
    chunks: u32,
    synced: Instant,
}

impl Worker {
    fn work(&mut self, job: Job, shared: &Shared) -> io::Result<()> {
        match job {
            Job::Chunk(chunk) => self.chunk(&chunk),
            Job::Pages(batch, ids) => {
                for ((_, page), id) in batch.pages().zip(ids) {
                    self.pages.add(id, page)?;
                }
                self.pages.flush()
            }
            Job::Checkpoint(index, draft) => self.checkpoint(index, *draft, shared),
            Job::Prepare(pool, bytes) => {
                pool.prepare(bytes);
                Ok(())
            }
        }
    }

    fn chunk(&mut self, chunk: &OpenChunk) -> io::Result<()> {
        let bytes = pack(self.chunks, chunk.first, chunk.count, &chunk.bytes)?;
        self.chunks += 1;
        self.events.write_all(&bytes)
    }

    fn checkpoint(
        &mut self,
        index: CheckpointIndex,
        draft: CheckpointDraft,
        shared: &Shared,
    ) -> io::Result<()> {
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
            let mut pages = Vec::new();
            for (n, (addr, page)) in (0_u32..).zip(space.pages.pages()) {
                if n % PAGES_BETWEEN_CHUNKS == 0 {
                    // A killed recorder must not lose the events of the time this takes.
                    while let Some(chunk) = shared.waiting_chunk() {
                        self.chunk(&chunk)?;
                    }
                }
                let id = page_id(page);
                let void = space.cleared.iter().any(|range| range.contains(addr.addr()));
                if void || self.resolved.page(space.space, addr) != Some(id) {
                    self.pages.add(id, page)?;
                    pages.push((addr, id));
                }
            }
            checkpoint.spaces.push(SpaceState {
                space: space.space,
                mappings: space.mappings,
                cleared: space.cleared,
                pages,
            });
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
        if self.synced.elapsed() >= Duration::from_secs(1) {
            self.pages.file().sync_data()?;
            self.events.sync_data()?;
            self.checkpoints.sync_data()?;
            self.synced = Instant::now();
        }
        Ok(())
    }
}
