//! What waits for the thread that hashes, compresses and writes ([`crate::writer::worker`]), so that the tracer
//! never waits for it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use retake_model::PageId;

use crate::checkpoints::draft::CheckpointDraft;
use crate::events::chunk::OpenChunk;
use crate::pages::batch::{PageBatch, PagePool};

/// A chunk is closed when it holds this much.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;
/// A chunk is closed when the thread has known it for so long; it looks as often.
const CHUNK_AGE: Duration = Duration::from_millis(100);
/// The tracer waits when this much is queued.
const QUEUE_BYTES: usize = 512 << 20;

#[derive(Debug)]
pub(crate) enum Job {
    Chunk(OpenChunk),
    Pages(PageBatch, Vec<PageId>),
    Checkpoint(Box<CheckpointDraft>),
    Prepare(PagePool, usize),
}

impl Job {
    fn size(&self) -> usize {
        match self {
            Self::Chunk(chunk) => chunk.bytes.len(),
            Self::Pages(batch, _) => batch.size(),
            Self::Prepare(..) => 0,
            Self::Checkpoint(draft) => {
                draft.spaces.iter().map(|s| s.pages.size()).sum::<usize>()
                    + draft.shared.iter().map(|s| s.pages.size()).sum::<usize>()
            }
        }
    }
}

#[derive(Debug, Default)]
struct State {
    open: OpenChunk,
    /// When the thread first saw the open chunk. (Tracers have no clock at hand that is cheap.)
    seen: Option<Instant>,
    queue: VecDeque<Job>,
    queued: usize,
    busy: bool,
    closing: bool,
    /// Pages that are still to be read are not waited for.
    hurried: bool,
    error: Option<io::Error>,
}

impl State {
    /// The open chunk, if it is time to close it.
    fn take_old_chunk(&mut self) -> Option<OpenChunk> {
        if self.open.count == 0 {
            return None;
        }
        let age = self.seen.get_or_insert_with(Instant::now).elapsed();
        if age < CHUNK_AGE && !self.closing {
            return None;
        }
        self.seen = None;
        Some(std::mem::take(&mut self.open))
    }
}

/// What tracer and thread share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
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
        if state.open.count == 0 {
            state.open = OpenChunk::starting_at(index);
        }
        encode(&mut state.open);
        if state.open.bytes.len() >= CHUNK_BYTES {
            self.close_chunk(state);
        }
        Ok(())
    }

    fn close_chunk(&self, mut state: MutexGuard<'_, State>) {
        if state.open.count > 0 {
            state.seen = None;
            let chunk = std::mem::take(&mut state.open);
            self.submit(state, Job::Chunk(chunk));
        }
    }

    pub(crate) fn pages(&self, batch: PageBatch, ids: Vec<PageId>) {
        self.submit(self.lock(), Job::Pages(batch, ids));
    }

    /// Memory for pages is going to be needed.
    pub(crate) fn prepare(&self, pool: PagePool, bytes: usize) {
        self.submit(self.lock(), Job::Prepare(pool, bytes));
    }

    /// A checkpoint follows the events before it.
    pub(crate) fn checkpoint(&self, draft: CheckpointDraft) {
        self.close_chunk(self.lock());
        self.submit(self.lock(), Job::Checkpoint(Box::new(draft)));
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

    /// A checkpoint whose pages are not all read yet is left out from here on.
    pub(crate) fn hurry(&self) {
        self.lock().hurried = true;
    }

    /// Bytes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().queued
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.lock().hurried
    }

    /// What waits while a long job is being done, and cannot wait longer: events, and the pages that they
    /// name. The next one in the queue, or the open chunk if it is old enough.
    pub(crate) fn next_urgent(&self) -> Option<Job> {
        let mut state = self.lock();
        match state.queue.pop_front() {
            Some(job @ (Job::Chunk(_) | Job::Pages(..))) => {
                state.queued -= job.size();
                Some(job)
            }
            Some(other) => {
                state.queue.push_front(other);
                None
            }
            None => state.take_old_chunk().map(Job::Chunk),
        }
    }

    pub(crate) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.queued -= job.size();
                state.busy = true;
                return Some(job);
            }
            if state.closing && state.open.count == 0 {
                return None;
            }
            if let Some(chunk) = state.take_old_chunk() {
                state.busy = true;
                return Some(Job::Chunk(chunk));
            }
            let age = state.seen.map(|since| since.elapsed());
            let left = age.map_or(CHUNK_AGE, |age| CHUNK_AGE.saturating_sub(age));
            let (again, _) = self
                .wake
                .wait_timeout(state, left.max(Duration::from_millis(1)))
                .unwrap_or_else(PoisonError::into_inner);
            state = again;
        }
    }

    pub(crate) fn finished(&self, result: io::Result<()>) {
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
