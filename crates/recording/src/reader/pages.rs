//! Reading pages: frames are unpacked on several threads, and handed over as they come.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};

use retake_model::PageId;
use zstd::bulk::Decompressor;

use super::Recording;
use crate::codec::Frame;
use crate::draft::PAGE;
use crate::error::RecordingError;
use crate::writer::names;

/// No more threads than this unpack at once.
const MOST_WORKERS: usize = 4;
/// Fewer frames than this are not worth a thread.
const WORTH_A_THREAD: usize = 4;
/// Unpacked frames that wait to be taken, for each thread.
const AHEAD: usize = 4;

/// Gets pages, a frame's at a time: the index into what was asked for, and the contents.
pub type PageSink<'a> = &'a mut dyn FnMut(&[(usize, &[u8])]);

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
        if unused.len() < MOST_WORKERS * (AHEAD + 2) {
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
        // The caller is busy with what it gets.
        let workers = self.inner.cpus.min(MOST_WORKERS).min(parts.len() / WORTH_A_THREAD);
        let whole = if workers == 0 {
            self.unpack_here(&parts, out)
        } else {
            self.unpack_on_threads(&parts, workers, out)
        };
        let path = self.dir().join(names::PAGES.0);
        whole.ok_or_else(|| RecordingError::damaged("read", &path, "a page frame"))
    }

    fn unpack_frame(&self, at: usize, unpacker: &mut Decompressor<'_>) -> Option<Vec<u8>> {
        let (frame, payload) = Frame::decode(self.inner.pages.bytes().get(at..)?)?;
        let mut buffer = self.inner.buffers.take();
        frame.unpack_into(payload, unpacker, &mut buffer).then_some(buffer)
    }

    fn hand_over(&self, part: &[Wanted], bytes: Vec<u8>, out: PageSink<'_>) -> Option<()> {
        let page = |(_, nth, n): &Wanted| Some((*n, bytes.get(nth * PAGE..(nth + 1) * PAGE)?));
        let list: Vec<_> = part.iter().map(page).collect::<Option<_>>()?;
        out(&list);
        self.inner.buffers.give_back(bytes);
        Some(())
    }

    fn unpack_here(&self, parts: &[&[Wanted]], out: PageSink<'_>) -> Option<()> {
        let mut unpacker = Decompressor::new().ok()?;
        for part in parts {
            let (at, ..) = *part.first()?;
            self.hand_over(part, self.unpack_frame(at, &mut unpacker)?, out)?;
        }
        Some(())
    }

    fn unpack_on_threads(
        &self,
        parts: &[&[Wanted]],
        workers: usize,
        out: PageSink<'_>,
    ) -> Option<()> {
        let next = AtomicUsize::new(0);
        let (done, unpacked) = sync_channel(workers * AHEAD);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let (done, next) = (done.clone(), &next);
                scope.spawn(move || {
                    if let Some(hook) = self.inner.on_reader_start.get() {
                        hook();
                    }
                    let Ok(mut unpacker) = Decompressor::new() else { return };
                    while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let bytes =
                            part.first().and_then(|(at, ..)| self.unpack_frame(*at, &mut unpacker));
                        // Nobody takes it any more after a damaged one.
                        if done.send((*part, bytes)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let mut count = 0;
            // Dropped on the way out: threads that wait to send go on then.
            for (part, bytes) in unpacked {
                self.hand_over(part, bytes?, out)?;
                count += 1;
            }
            (count == parts.len()).then_some(())
        })
    }
}
