//! Reading pages: frames are unpacked, and handed over, on several threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use retake_model::PageId;
use zstd::bulk::Decompressor;

use super::Recording;
use crate::codec::Frame;
use crate::error::RecordingError;
use crate::names;
use crate::pages::PAGE;
use crate::pages::frames::FRAME_PAGES;

/// No more threads than this unpack at once.
const MOST_WORKERS: usize = 4;
/// Fewer frames than this are not worth a thread.
const WORTH_A_THREAD: usize = 4;
/// Frames that a thread takes at once: neighbours. Two threads that filled parts of one huge page for
/// the first time would both have the kernel clear one.
const TURN: usize = 8;

/// Gets pages, a frame's at a time: the index into what was asked for, and the contents. It is called
/// from several threads at once.
pub type PageSink<'a> = &'a (dyn Fn(&[(usize, &[u8])]) + Sync);

/// Memory that frames are unpacked into. Kept: fresh memory takes longer than unpacking.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // A panic while holding the lock leaves plain memory behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<u8> {
        let unused = self.lock().pop();
        unused.unwrap_or_default()
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut unused = self.lock();
        if unused.len() < MOST_WORKERS {
            unused.push(buffer);
        }
    }
}

/// A page to be read: offset of its frame, its place there, and its index for the caller.
type Wanted = (usize, usize, usize);

impl Recording {
    /// From here on threads that unpack pages run `hook` first. (Whoever replays is bound to one CPU,
    /// and what it starts as well.)
    pub fn on_reader_start(&self, hook: fn()) {
        // Whoever was first says what to do; it can only be the same.
        let _ = self.inner.on_reader_start.set(hook);
    }

    /// Reads pages, in any order, each frame once.
    ///
    /// # Errors
    /// When a page is not in the store or its frame is damaged.
    pub fn read_pages(&self, ids: &[PageId], out: PageSink<'_>) -> Result<(), RecordingError> {
        let mut wanted: Vec<Wanted> = Vec::with_capacity(ids.len());
        for (n, id) in ids.iter().enumerate() {
            let Some((frame, nth)) = self.inner.page_index.find(*id) else {
                return Err(self.missing(format!("page {id:?} is not in the page store")));
            };
            wanted.push((frame, nth, n));
        }
        wanted.sort_unstable();
        let parts: Vec<&[Wanted]> = wanted.chunk_by(|a, b| a.0 == b.0).collect();
        let workers = self.inner.cpus.min(MOST_WORKERS).min(parts.len() / WORTH_A_THREAD);
        let whole = if workers == 0 {
            self.unpack(parts.chunks(TURN), out)
        } else {
            self.unpack_on_threads(&parts, workers, out)
        };
        let path = self.dir().join(names::PAGES.0);
        whole.ok_or_else(|| RecordingError::damaged("read", &path, "a page frame"))
    }

    /// Reads one page.
    ///
    /// # Errors
    /// As [`Self::read_pages`].
    pub fn read_page(&self, id: PageId) -> Result<[u8; PAGE], RecordingError> {
        let page = Mutex::new([0; PAGE]);
        self.read_pages(&[id], &|found| {
            let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
            for (_, bytes) in found {
                page.copy_from_slice(bytes);
            }
        })?;
        Ok(page.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Unpacks frames, turn after turn. Nothing if one of them is damaged.
    fn unpack<'a>(
        &self,
        turns: impl Iterator<Item = &'a [&'a [Wanted]]>,
        out: PageSink<'_>,
    ) -> Option<()> {
        let mut unpacker = Decompressor::new().ok()?;
        let mut buffer = self.inner.buffers.take();
        for part in turns.flatten() {
            let (at, ..) = *part.first()?;
            let (frame, payload) = Frame::decode(self.inner.pages.bytes().get(at..)?)?;
            let pages = usize::try_from(frame.count).ok().filter(|pages| *pages <= FRAME_PAGES)?;
            if !frame.unpack_into(pages * PAGE, payload, &mut unpacker, &mut buffer) {
                return None;
            }
            let page = |(_, nth, n): &Wanted| Some((*n, buffer.get(nth * PAGE..(nth + 1) * PAGE)?));
            let list: Vec<_> = part.iter().map(page).collect::<Option<_>>()?;
            out(&list);
        }
        self.inner.buffers.give_back(buffer);
        Some(())
    }

    fn unpack_on_threads(
        &self,
        parts: &[&[Wanted]],
        workers: usize,
        out: PageSink<'_>,
    ) -> Option<()> {
        let (next, damaged) = (AtomicUsize::new(0), AtomicBool::new(false));
        let turn = || {
            let at = next.fetch_add(TURN, Ordering::Relaxed);
            let end = parts.len().min(at.saturating_add(TURN));
            // The others need not go on after a damaged one.
            parts.get(at..end).filter(|turn| !turn.is_empty() && !damaged.load(Ordering::Relaxed))
        };
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    if let Some(hook) = self.inner.on_reader_start.get() {
                        hook();
                    }
                    if self.unpack(std::iter::from_fn(turn), out).is_none() {
                        damaged.store(true, Ordering::Relaxed);
                    }
                });
            }
        });
        (!damaged.into_inner()).then_some(())
    }
}
