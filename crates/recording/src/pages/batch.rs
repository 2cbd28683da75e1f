//! Pages with their contents, in memory that is used again and again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memmap2::{Advice, MmapMut};
use retake_model::PageAddr;

use crate::pages::PAGE;

/// Bytes of a slab: several huge pages.
const SLAB: usize = 8 << 20;
const SLAB_PAGES: usize = SLAB / PAGE;
/// No more than this is prepared.
const MOST_PREPARED: usize = 64 << 20;
/// So many unused slabs are kept.
const KEPT: usize = 16;

/// Where batches get their memory from, and give it back to. Clones share it.
///
/// Fresh memory is the larger part of what copying a page costs: the kernel clears each page of it at
/// the first touch, one fault a page where huge pages cannot be had.
#[derive(Clone, Debug, Default)]
pub struct PagePool {
    unused: Arc<Mutex<Vec<Slab>>>,
}

/// What a slab is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grain {
    /// Pages of 4 KiB: an image of some pages does not wait until 2 MiB are cleared.
    Small,
    /// Huge ones, where there are any.
    Huge,
}

#[derive(Debug)]
enum Slab {
    Mapped(MmapMut),
    Plain(Vec<u8>),
}

impl Slab {
    fn new(grain: Grain) -> Self {
        let Ok(map) = MmapMut::map_anon(SLAB) else {
            return Self::Plain(vec![0; SLAB]);
        };
        if grain == Grain::Huge {
            // Where there are no huge pages it takes longer, that is all.
            let _ = map.advise(Advice::HugePage);
        }
        Self::Mapped(map)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Plain(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Plain(bytes) => bytes,
        }
    }
}

impl PagePool {
    /// An empty batch.
    pub fn batch(&self) -> PageBatch {
        PageBatch { addrs: Vec::new(), slabs: Vec::new(), pool: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slab>> {
        // A panic while holding the lock leaves plain memory behind.
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has memory at hand for so many bytes of pages, touched already.
    pub(crate) fn prepare(&self, bytes: usize) {
        let wanted = bytes.min(MOST_PREPARED).div_ceil(SLAB);
        while self.lock().len() < wanted {
            let slab = Slab::new(Grain::Huge);
            if let Slab::Mapped(map) = &slab {
                // Kernels before 5.14 do not know it: then the copying touches it.
                let _ = map.advise(Advice::PopulateWrite);
            }
            self.lock().push(slab);
        }
    }

    fn take(&self, grain: Grain) -> Slab {
        let unused = self.lock().pop();
        unused.unwrap_or_else(|| Slab::new(grain))
    }
}

/// Pages with their contents. Made by [`PagePool::batch`].
#[derive(Debug)]
pub struct PageBatch {
    addrs: Vec<PageAddr>,
    /// All full but the last one.
    slabs: Vec<Slab>,
    pool: PagePool,
}

impl PageBatch {
    /// How many pages it has.
    pub fn len(&self) -> usize {
        self.addrs.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.addrs.is_empty()
    }

    /// Where they are, in ascending order. Within a shared object: page number times 4096.
    pub fn addrs(&self) -> &[PageAddr] {
        &self.addrs
    }

    /// Where its memory is from.
    pub(crate) fn pool(&self) -> &PagePool {
        &self.pool
    }

    /// Bytes of their contents.
    pub(crate) fn size(&self) -> usize {
        self.addrs.len() * PAGE
    }

    /// Room for the contents of the next pages: whole pages, at least one and at most `most`. What is
    /// in it is left over from other pages. [`Self::commit`] says which pages were put there.
    pub fn room(&mut self, most: usize) -> &mut [u8] {
        let used = self.addrs.len() % SLAB_PAGES;
        if self.addrs.len() == self.slabs.len() * SLAB_PAGES {
            // Who has filled one needs many pages.
            let grain = if self.slabs.is_empty() { Grain::Small } else { Grain::Huge };
            self.slabs.push(self.pool.take(grain));
        }
        let pages = most.clamp(1, SLAB_PAGES - used);
        let slab = self.slabs.last_mut().map(Slab::bytes_mut).unwrap_or_default();
        slab.get_mut(used * PAGE..(used + pages) * PAGE).unwrap_or_default()
    }

    /// Adds pages whose contents were put at the start of what [`Self::room`] gave last.
    pub fn commit(&mut self, addrs: &[PageAddr]) {
        let room = self.slabs.len() * SLAB_PAGES - self.addrs.len();
        self.addrs.extend(addrs.iter().take(room));
    }

    /// Adds one page.
    pub fn push(&mut self, addr: PageAddr, page: &[u8]) {
        let room = self.room(1);
        let len = page.len().min(room.len());
        let (to, rest) = room.split_at_mut(len);
        to.copy_from_slice(page.get(..len).unwrap_or_default());
        rest.fill(0);
        self.commit(&[addr]);
    }

    /// Each page with its contents.
    pub fn pages(&self) -> impl Iterator<Item = (PageAddr, &[u8])> {
        let contents = self.slabs.iter().flat_map(|slab| slab.bytes().chunks_exact(PAGE));
        self.addrs.iter().copied().zip(contents)
    }
}

impl Drop for PageBatch {
    fn drop(&mut self) {
        let mut unused = self.pool.lock();
        let room = KEPT.saturating_sub(unused.len());
        unused.extend(self.slabs.drain(..).take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_model::Addr;

    fn addr(n: usize) -> PageAddr {
        Addr::new(n as u64 * 4096).page()
    }

    #[test]
    fn pages_come_back_with_their_contents_over_slabs() {
        let pool = PagePool::default();
        for round in 0..2_u8 {
            let mut batch = pool.batch();
            let pages = SLAB_PAGES + 3;
            let mut next = 0;
            while next < pages {
                let room = batch.room(pages - next);
                let got = room.len() / PAGE;
                for (page, n) in room.chunks_mut(PAGE).zip(next..) {
                    page.fill(u8::try_from(n % 251).unwrap() ^ round);
                }
                let addrs: Vec<_> = (next..next + got).map(addr).collect();
                batch.commit(&addrs);
                next += got;
            }
            batch.push(addr(pages), &[7; PAGE]);
            assert_eq!(batch.len(), pages + 1);
            let all: Vec<_> = batch.pages().collect();
            assert_eq!(all.len(), pages + 1);
            for (n, (at, page)) in all.into_iter().enumerate().take(pages) {
                assert_eq!(at, addr(n));
                assert!(page.iter().all(|b| *b == u8::try_from(n % 251).unwrap() ^ round), "{n}");
            }
            assert_eq!(batch.pages().last().map(|(_, page)| page[9]), Some(7));
        }
    }

    #[test]
    fn memory_is_used_again() {
        let pool = PagePool::default();
        let place = {
            let mut batch = pool.batch();
            batch.push(addr(1), &[1; PAGE]);
            batch.slabs[0].bytes().as_ptr()
        };
        let mut batch = pool.batch();
        batch.push(addr(2), &[2; 10]);
        assert_eq!(batch.slabs[0].bytes().as_ptr(), place);
        let page = batch.pages().next().unwrap().1;
        assert_eq!((page[9], page[10]), (2, 0), "a short page ends with zeroes");
    }
}
