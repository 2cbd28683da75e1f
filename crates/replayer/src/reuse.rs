//! Restoring into processes that are there: they keep the memory that is as the checkpoint has it.
//!
//! Going from one checkpoint to another mostly changes little. And memory that is handed out anew is
//! dear: the kernel clears each page, and in a virtual machine the host may have to find one first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use retake_model::{
    AddrRange, Mapping, PAGE_LEN, PAGE_SIZE, PageAddr, PageId, Protection, SpaceId, TaskId,
};
use retake_ptrace::{PageMap, ProcessMemory};
use retake_recording::page_id;
use retake_tracee::MappingTable;

use crate::failure::Failure;
use crate::machine::Machine;

/// Where more runs of pages than this have to go, all pages of the mapping go in one call.
const MOST_RUNS: usize = 64;
/// Pages that a thread compares at once.
const TURN: usize = 256;
/// Fewer pages than this are not worth a thread.
const WORTH_A_THREAD: usize = 2048;
/// No more threads than this compare at once.
const MOST_THREADS: usize = 4;

/// How one address space becomes another.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// Nothing is there any more.
    gone: Vec<AddrRange>,
    /// Something else is there, or nothing was.
    fresh: Vec<Mapping>,
    /// The same is there, under another protection.
    protected: Vec<(AddrRange, Protection)>,
    /// The same is there.
    kept: Vec<Mapping>,
}

impl Changes {
    fn between(old: &MappingTable, new: &[Mapping]) -> Self {
        let (mut gone, mut fresh) = (old.clone(), MappingTable::new(new.iter().cloned()));
        let mut changes = Self::default();
        for mapping in new {
            gone.unmap(mapping.range);
            // Shared objects are made anew.
            if mapping.backing.shared_object().is_some() {
                continue;
            }
            for part in old.parts(mapping.range) {
                if mapping.backing_at(part.range.start()) != Some(part.backing) {
                    continue;
                }
                fresh.unmap(part.range);
                if part.prot != mapping.prot {
                    changes.protected.push((part.range, mapping.prot));
                }
                changes.kept.push(Mapping { prot: mapping.prot, ..part });
            }
        }
        changes.gone = gone.iter().map(|mapping| mapping.range).collect();
        changes.fresh = fresh.to_vec();
        changes
    }
}

/// Adjacent pages as ranges.
fn runs(pages: &[PageAddr]) -> Vec<AddrRange> {
    let next = |a: &PageAddr, b: &PageAddr| a.addr().checked_add(PAGE_SIZE) == Some(b.addr());
    let run = |run: &[PageAddr]| {
        let (first, last) = (run.first()?, run.last()?);
        AddrRange::new(first.addr(), last.addr().checked_add(PAGE_SIZE)?)
    };
    pages.chunk_by(next).filter_map(run).collect()
}

/// The pages that do not have these contents.
fn different(memory: &ProcessMemory, pages: &[(PageAddr, PageId)]) -> Vec<(PageAddr, PageId)> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let compare = || {
        let mut buffer = vec![0_u8; TURN * PAGE_LEN];
        let mut differ = Vec::new();
        while let Some(turn) = pages.chunks(TURN).nth(next.fetch_add(1, Ordering::Relaxed)) {
            let list: Vec<PageAddr> = turn.iter().map(|(page, _)| *page).collect();
            let got = memory.read_pages(&list, &mut buffer);
            let same = |(n, (_, id)): &(usize, &(PageAddr, PageId))| {
                let bytes = buffer.get(n * PAGE_LEN..(n + 1) * PAGE_LEN);
                *n < got && bytes.is_some_and(|bytes| page_id(bytes) == *id)
            };
            let others = turn.iter().enumerate().filter(|page| !same(page));
            differ.extend(others.map(|(_, page)| *page));
        }
        found.lock().unwrap_or_else(PoisonError::into_inner).append(&mut differ);
    };
    let threads = (pages.len() / WORTH_A_THREAD).min(MOST_THREADS);
    if threads == 0 {
        compare();
    }
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // Whoever replays is bound to one CPU, and what it starts as well.
                retake_ptrace::unpin_current_thread();
                compare();
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// Gives the address space of `task`, which may be empty, other mappings and pages.
    pub(crate) fn change_space(
        &mut self,
        task: TaskId,
        space: SpaceId,
        mappings: &[Mapping],
        pages: &[(PageAddr, PageId)],
    ) -> Result<(), Failure> {
        let changes = Changes::between(&self.space(space).table, mappings);
        for range in changes.gone {
            self.task(task)?.unmap(range)?;
        }
        for (range, prot) in changes.protected {
            self.task(task)?.protect(range, prot)?;
        }
        changes.fresh.iter().try_for_each(|mapping| self.map_into(task, mapping))?;
        let mut there = Vec::new();
        let map = PageMap::open(self.task(task)?.memory.tid())?;
        for mapping in &changes.kept {
            self.keep_pages(task, &map, mapping.range, pages, &mut there)?;
        }
        there.sort_unstable();
        let (compared, mut written): (Vec<_>, Vec<_>) =
            pages.iter().copied().partition(|(page, _)| there.binary_search(page).is_ok());
        written.extend(different(&self.task(task)?.memory, &compared));
        self.write_pages(task, &written)?;
        self.space(space).table = MappingTable::new(mappings.iter().cloned());
        Ok(())
    }

    /// Takes pages of `range` away that are not among `pages`, and adds those that stay to `there`.
    fn keep_pages(
        &mut self,
        task: TaskId,
        map: &PageMap,
        range: AddrRange,
        pages: &[(PageAddr, PageId)],
        there: &mut Vec<PageAddr>,
    ) -> Result<(), Failure> {
        let task = self.task(task)?;
        let mut live = Vec::new();
        map.private_pages(range, &mut live)?;
        let wanted = |page: &PageAddr| pages.binary_search_by_key(page, |(page, _)| *page).is_ok();
        let (stay, go): (Vec<_>, Vec<_>) = live.into_iter().partition(wanted);
        let go = runs(&go);
        if go.len() > MOST_RUNS {
            return task.discard(range);
        }
        for run in go {
            task.discard(run)?;
        }
        there.extend(stay);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use retake_model::{Addr, Backing, FileId, FileOffset, SharedId};

    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(Addr::new(start << 12), Addr::new(end << 12)).unwrap()
    }

    fn mapping(start: u64, end: u64, backing: Backing) -> Mapping {
        Mapping { range: range(start, end), prot: Protection::READ, backing, grows_down: false }
    }

    fn anonymous(start: u64, end: u64) -> Mapping {
        mapping(start, end, Backing::Anonymous)
    }

    fn file(start: u64, end: u64, page: u64) -> Mapping {
        let offset = FileOffset::new(page << 12);
        mapping(start, end, Backing::File { file: FileId::new(1), offset })
    }

    fn changes(old: &[Mapping], new: &[Mapping]) -> Changes {
        Changes::between(&MappingTable::new(old.iter().cloned()), new)
    }

    #[test]
    fn what_is_equal_is_kept() {
        let all = [anonymous(1, 9), file(10, 20, 5)];
        assert_eq!(changes(&all, &all), Changes { kept: all.to_vec(), ..Changes::default() });
    }

    #[test]
    fn a_heap_that_grew_or_shrank_keeps_its_lower_part() {
        let (short, long) = ([anonymous(1, 4)], [anonymous(1, 9)]);
        let grown = changes(&short, &long);
        assert_eq!((grown.kept, grown.fresh), (short.to_vec(), vec![anonymous(4, 9)]));
        let shrunk = changes(&long, &short);
        assert_eq!((shrunk.kept, shrunk.gone), (short.to_vec(), vec![range(4, 9)]));
    }

    #[test]
    fn another_place_in_the_file_is_another_mapping() {
        assert_eq!(changes(&[file(10, 20, 5)], &[file(10, 20, 5)]).fresh, []);
        assert_eq!(changes(&[file(10, 20, 5)], &[file(12, 20, 7)]).kept, [file(12, 20, 7)]);
        let moved = changes(&[file(10, 20, 5)], &[file(12, 20, 5)]);
        assert_eq!((moved.fresh, moved.kept), (vec![file(12, 20, 5)], vec![]));
        assert_eq!(moved.gone, [range(10, 12)]);
    }

    #[test]
    fn another_protection_is_set() {
        let writable = Mapping { prot: Protection::WRITE, ..anonymous(3, 5) };
        let new = [anonymous(1, 3), writable.clone(), anonymous(5, 9)];
        let changed = changes(&[anonymous(1, 9)], &new);
        assert_eq!(changed.protected, [(range(3, 5), Protection::WRITE)]);
        assert_eq!((changed.kept, changed.fresh), (new.to_vec(), vec![]));
    }

    #[test]
    fn what_is_shared_is_mapped_again() {
        let (shared, offset) = (SharedId::new(1), FileOffset::new(0));
        let all = [mapping(1, 9, Backing::Shared { shared, offset })];
        assert_eq!(changes(&all, &all), Changes { fresh: all.to_vec(), ..Changes::default() });
    }

    #[test]
    fn adjacent_pages_are_one_run() {
        let page = |n: u64| Addr::new(n << 12).page();
        assert_eq!(runs(&[page(1), page(2), page(4)]), [range(1, 3), range(4, 5)]);
        assert_eq!(runs(&[]), []);
    }
}
