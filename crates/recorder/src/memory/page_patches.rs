//! Changes to the code of a fresh image: each page is read once and written once.

use std::cell::RefCell;
use std::collections::BTreeMap;

use retake_abi::ReadMemory;
use retake_model::{Addr, PAGE_LEN, PageAddr};
use retake_ptrace::{ProcessMemory, PtraceError};

/// A page as it is to be.
#[derive(Debug)]
struct Page {
    bytes: Box<[u8; PAGE_LEN]>,
    is_changed: bool,
}

/// Pages of a task that stands still, as they are to be. Nobody else may write to them meanwhile.
#[derive(Debug)]
pub(crate) struct PagePatches {
    memory: ProcessMemory,
    /// Nothing for one that cannot be read.
    pages: RefCell<BTreeMap<PageAddr, Option<Page>>>,
}

impl PagePatches {
    pub(crate) fn of(memory: ProcessMemory) -> Self {
        Self { memory, pages: RefCell::default() }
    }

    /// Puts bytes there. False if that is no memory: nothing is changed then.
    pub(crate) fn put(&mut self, at: Addr, bytes: &[u8]) -> bool {
        let mut there = vec![0; bytes.len()];
        self.read(at, &mut there)
            && self.with_parts(at, bytes.len(), |page, skip, part| {
                let place = page.bytes.get_mut(skip..skip + part.len());
                let new = bytes.get(part);
                if let (Some(place), Some(new)) = (place, new) {
                    place.copy_from_slice(new);
                    page.is_changed = true;
                }
            })
    }

    /// Writes what was changed.
    ///
    /// # Errors
    /// When the task goes away. Parts may be written then.
    pub(crate) fn write(mut self) -> Result<(), PtraceError> {
        let pages = self.pages.into_inner();
        let changed = pages.into_iter().filter_map(|(at, page)| Some((at, page?)));
        let changed: Vec<_> = changed.filter(|(_, page)| page.is_changed).collect();
        let is_next = |(a, _): &(PageAddr, Page), (b, _): &(PageAddr, Page)| {
            a.addr().checked_add(PAGE_LEN as u64) == Some(b.addr())
        };
        for run in changed.chunk_by(is_next) {
            let Some((first, _)) = run.first() else { continue };
            let bytes: Vec<u8> = run.iter().flat_map(|(_, page)| *page.bytes).collect();
            self.memory.write_forced(first.addr(), &bytes)?;
        }
        Ok(())
    }

    /// Calls `with` for each part of these bytes: the page, where in it the part begins, and which of the bytes it
    /// is. False as soon as a page cannot be read.
    fn with_parts(
        &self,
        at: Addr,
        len: usize,
        mut with: impl FnMut(&mut Page, usize, std::ops::Range<usize>),
    ) -> bool {
        let mut pages = self.pages.borrow_mut();
        let mut done = 0;
        while done < len {
            let Some(here) = at.checked_add(done as u64) else { return false };
            let start = here.page();
            let skip = usize::try_from(here.get() % PAGE_LEN as u64).unwrap_or(0);
            let part = done..len.min(done + PAGE_LEN - skip);
            let page = pages.entry(start).or_insert_with(|| {
                let mut bytes = Box::new([0; PAGE_LEN]);
                self.memory.read_exact(start.addr(), bytes.as_mut_slice()).ok()?;
                Some(Page { bytes, is_changed: false })
            });
            let Some(page) = page else { return false };
            done = part.end;
            with(page, skip, part);
        }
        true
    }
}

impl ReadMemory for PagePatches {
    fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
        self.with_parts(addr, out.len(), |page, skip, part| {
            let from = page.bytes.get(skip..skip + part.len());
            if let (Some(to), Some(from)) = (out.get_mut(part), from) {
                to.copy_from_slice(from);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use retake_model::Tid;

    use super::*;

    fn own() -> PagePatches {
        PagePatches::of(ProcessMemory::new(Tid::new(std::process::id().cast_signed())))
    }

    #[test]
    fn pages_are_written_at_the_end() {
        let bytes = vec![7_u8; 3 * PAGE_LEN];
        let at = Addr::new(bytes.as_ptr() as u64);
        // The last byte of one page and the first of the next.
        let edge = Addr::new(at.get().next_multiple_of(PAGE_LEN as u64) + PAGE_LEN as u64 - 1);
        let index = usize::try_from(edge.get() - at.get()).unwrap();
        let mut patches = own();
        assert!(patches.put(edge, &[1, 2]));
        let mut seen = [0; 4];
        assert!(patches.read(Addr::new(edge.get() - 1), &mut seen));
        assert_eq!(seen, [7, 1, 2, 7]);
        assert_eq!(std::hint::black_box(&bytes)[index - 1..index + 3], [7, 7, 7, 7]);
        patches.write().unwrap();
        assert_eq!(std::hint::black_box(&bytes)[index - 1..index + 3], [7, 1, 2, 7]);
    }

    #[test]
    fn what_is_no_memory_is_not_changed() {
        let mut patches = own();
        assert!(!patches.put(Addr::new(8), &[1]));
        assert!(!patches.read(Addr::new(u64::MAX - 1), &mut [0; 4]));
        patches.write().unwrap();
    }
}
