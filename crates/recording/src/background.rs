//! The thread that hashes, compresses and writes, so that the tracer never waits for it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use retake_model::{CheckpointIndex, PageId};

use crate::checkpoint::{Checkpoint, SharedState, SpaceState};
use crate::codec::{pack, put};
use crate::draft::{CheckpointDraft, PageBatch, page_id};
use crate::journal::OpenChunk;
use crate::pages::PageWriter;
use crate::resolved::Resolved;

/// A chunk is closed when it holds this much.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;
/// A chunk is closed when its first event is this old.
const CHUNK_AGE: Duration = Duration::from_millis(150);
/// The tracer waits when this much is queued.
const QUEUE_BYTES: usize = 512 << 20;
/// Every so many checkpoints one lists all pages.
const COMPLETE_EVERY: u32 = 16;

#[derive(Debug)]
enum Job {
    Chunk(OpenChunk),
    Pages(PageBatch, Vec<PageId>),
    Checkpoint(CheckpointIndex, Box<CheckpointDraft>),
}

impl Job {
    fn size(&self) -> usize {
        match self {
            Self::Chunk(chunk) => chunk.bytes.len(),
            Self::Pages(batch, _) => batch.bytes.len(),
            Self::Checkpoint(_, draft) => {
                draft.spaces.iter().map(|s| s.pages.bytes.len()).sum::<usize>()
                    + draft.shared.iter().map(|s| s.pages.bytes.len()).sum::<usize>()
            }
        }
    }
}

#[derive(Debug, Default)]
struct State {
    open: OpenChunk,
    opened: Option<Instant>,
    queue: VecDeque<Job>,
    queued: usize,
    busy: bool,
    closing: bool,
    error: Option<io::Error>,
}

/// What tracer and thread share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
}

/// The three files it writes.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) events: File,
    pub(crate) pages: File,
    pub(crate) checkpoints: File,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while holding the lock leaves plain data behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, mut state: MutexGuard<'_, State>, job: Job) {
        while state.queued > QUEUE_BYTES && state.error.is_none() {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.queued += job.size();
        state.queue.push_back(job);
        drop(state);
        self.wake.notify_one();
    }

    /// Puts an event into the open chunk.
    pub(crate) fn append(
        &self,
        index: u64,
        encode: impl FnOnce(&mut OpenChunk),
    ) -> Result<(), io::Error> {
        let mut state = self.lock();
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        if state.opened.is_none() {
            state.open = OpenChunk::starting_at(index);
            state.opened = Some(Instant::now());
        }
        encode(&mut state.open);
        if state.open.bytes.len() >= CHUNK_BYTES {
            self.close_chunk(state);
        }
        Ok(())
    }

    fn close_chunk(&self, mut state: MutexGuard<'_, State>) {
        if state.opened.take().is_some() {
            let chunk = std::mem::take(&mut state.open);
            self.submit(state, Job::Chunk(chunk));
        }
    }

    pub(crate) fn pages(&self, batch: PageBatch, ids: Vec<PageId>) {
        self.submit(self.lock(), Job::Pages(batch, ids));
    }

    /// A checkpoint follows the events before it.
    pub(crate) fn checkpoint(&self, index: CheckpointIndex, draft: CheckpointDraft) {
        self.close_chunk(self.lock());
        self.submit(self.lock(), Job::Checkpoint(index, Box::new(draft)));
    }

    /// Waits until everything is on disk.
    pub(crate) fn drain(&self) -> Result<(), io::Error> {
        self.close_chunk(self.lock());
        let mut state = self.lock();
        while (state.busy || !state.queue.is_empty()) && state.error.is_none() {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.error.take().map_or(Ok(()), Err)
    }

    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.queued -= job.size();
                state.busy = true;
                return Some(job);
            }
            if state.closing && state.opened.is_none() {
                return None;
            }
            let age = state.opened.map(|since| since.elapsed());
            if age.is_some_and(|age| age >= CHUNK_AGE || state.closing) {
                state.opened = None;
                state.busy = true;
                return Some(Job::Chunk(std::mem::take(&mut state.open)));
            }
            let left = age.map_or(CHUNK_AGE, |age| CHUNK_AGE.saturating_sub(age));
            let (again, _) = self
                .wake
                .wait_timeout(state, left.max(Duration::from_millis(1)))
                .unwrap_or_else(PoisonError::into_inner);
            state = again;
        }
    }

    fn finished(&self, result: io::Result<()>) {
        let mut state = self.lock();
        state.busy = false;
        if let Err(error) = result {
            state.error = Some(error);
            state.queue.clear();
            state.queued = 0;
        }
        self.done.notify_all();
    }
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
        shared.finished(worker.work(job));
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
    fn work(&mut self, job: Job) -> io::Result<()> {
        match job {
            Job::Chunk(chunk) => {
                let bytes = pack(self.chunks, chunk.first, chunk.count, &chunk.bytes)?;
                self.chunks += 1;
                self.events.write_all(&bytes)
            }
            Job::Pages(batch, ids) => {
                for ((_, page), id) in batch.pages().zip(ids) {
                    self.pages.add(id, page)?;
                }
                self.pages.flush()
            }
            Job::Checkpoint(index, draft) => self.checkpoint(index, *draft),
        }
    }

    fn checkpoint(&mut self, index: CheckpointIndex, draft: CheckpointDraft) -> io::Result<()> {
        let mut checkpoint = Checkpoint {
            index,
            event: draft.event,
            run_time_ns: draft.run_time_ns,
            complete: false,
            current: draft.current,
            tasks: draft.tasks,
            spaces: Vec::new(),
            shared: Vec::new(),
        };
        for space in draft.spaces {
            let mut pages = Vec::new();
            for (addr, page) in space.pages.pages() {
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
