//! The code cache of each address space.

use std::collections::BTreeMap;
use std::fs::File;

use retake_abi::nr;
use retake_model::{
    Addr, AddrRange, Backing, FileOffset, PAGE_LEN, PageAddr, Protection, SpaceId, TaskId,
};
use retake_ptrace::ProcessMemory;
use retake_tracee::MappingTable;
use retake_translator::{Code, Constancy, Limits, Room, Statistics, Translator};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::sites::SiteTable;
use crate::translated::Guards;

/// madvise(2): a child does not get it.
const MADV_DONTFORK: u64 = 10;

/// The caches of a machine.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    spaces: BTreeMap<SpaceId, Cache>,
    /// Of caches that are gone.
    past: Vec<Statistics>,
    pub(crate) limits: Limits,
}

#[derive(Debug)]
struct Cache {
    translator: Translator<File>,
    /// The memory was put together anew: what was translated may be of other code.
    stale: bool,
}

impl Caches {
    /// None yet.
    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The memory of `space` is gone, or another one's.
    pub(crate) fn forget_space(&mut self, space: SpaceId) {
        if let Some(cache) = self.spaces.remove(&space) {
            self.past.push(cache.translator.statistics());
        }
    }

    /// Only these spaces are still there, and what is in them changes.
    pub(crate) fn keep(&mut self, kept: impl Fn(SpaceId) -> bool) {
        let gone: Vec<SpaceId> = self.spaces.keys().copied().filter(|s| !kept(*s)).collect();
        gone.into_iter().for_each(|space| self.forget_space(space));
        for cache in self.spaces.values_mut() {
            cache.stale = true;
        }
    }

    /// Code in `range` may be another one from now on.
    pub(crate) fn code_changed(&mut self, space: SpaceId, range: AddrRange) -> Result<(), Failure> {
        let Some(cache) = self.spaces.get_mut(&space) else { return Ok(()) };
        Ok(cache.translator.code_changed(range)?)
    }

    /// Something is mapped at `range`: a cache that lies there is no more.
    pub(crate) fn make_room(&mut self, space: SpaceId, range: AddrRange) {
        let there = self.spaces.get(&space).map(|cache| cache.translator.room().range());
        if there.is_some_and(|there| there.overlaps(range)) {
            self.forget_space(space);
        }
    }

    /// Whether an address lies in the cache of `space`.
    pub(crate) fn contain(&self, space: SpaceId, addr: Addr) -> bool {
        let cache = self.spaces.get(&space);
        cache.is_some_and(|cache| cache.translator.room().range().contains(addr))
    }

    pub(crate) fn get(&mut self, space: SpaceId) -> Option<&mut Translator<File>> {
        self.spaces.get_mut(&space).map(|cache| &mut cache.translator)
    }

    /// Has each branch noted from now on.
    pub(crate) fn note_branches(&mut self) -> Result<(), Failure> {
        self.limits.notes = true;
        self.spaces.values_mut().try_for_each(|cache| cache.translator.note_branches())?;
        Ok(())
    }

    /// What all caches did.
    pub(crate) fn statistics(&self) -> Statistics {
        let now = self.spaces.values().map(|cache| cache.translator.statistics());
        self.past.iter().copied().chain(now).fold(Statistics::default(), Statistics::plus)
    }
}

/// A room in which nothing is mapped: the preferred one, else the highest that is free.
fn free_room(table: &MappingTable) -> Option<Room> {
    let is_free = |room: &Room| table.parts(room.range()).is_empty();
    if is_free(&Room::PREFERRED) {
        return Some(Room::PREFERRED);
    }
    const STEP: u64 = 16 << 20;
    let ours = retake_tracee::InjectPage::ADDR.get();
    (1..ours / STEP)
        .rev()
        .filter_map(|n| Room::at(AddrRange::with_len(Addr::new(n * STEP), STEP)?))
        .find(is_free)
}

impl Machine {
    /// Makes sure that the task's address space has a cache. False if there is no room for one.
    pub(crate) fn have_cache(&mut self, id: TaskId) -> Result<bool, Failure> {
        let space = self.task(id)?.space;
        if let Some(cache) = self.caches.spaces.get_mut(&space) {
            if std::mem::take(&mut cache.stale) {
                cache.translator.empty()?;
            }
            return Ok(true);
        }
        let Some(room) = free_room(&self.space(space).table) else { return Ok(false) };
        let file = retake_ptrace::create_memfd()?;
        let all = room.range();
        file.set_len(all.len())?;
        let task = self.task(id)?;
        task.give_back()?;
        let own = task.stopped.registers()?;
        let code = Protection::READ.union(Protection::EXEC);
        task.map_file(all, code, &file, FileOffset::new(0), true)?;
        task.protect(room.written(), Protection::READ.union(Protection::WRITE))?;
        let advice = [all.start().get(), all.len(), MADV_DONTFORK, 0, 0, 0];
        task.call(nr::MADVISE, advice)?;
        task.go_on_with(&own)?;
        let translator = Translator::new(room, file, self.caches.limits)?;
        self.caches.spaces.insert(space, Cache { translator, stale: false });
        Ok(true)
    }
}

/// A task's code, without breakpoints, while the task stands still.
pub(crate) struct TaskCode<'a> {
    memory: &'a ProcessMemory,
    table: &'a MappingTable,
    sites: &'a SiteTable,
    guards: &'a Guards,
    space: SpaceId,
    /// Pages that are to be write-protected before the task goes on.
    pub(crate) to_guard: Vec<PageAddr>,
    /// Pages that were read, with how much of them there is.
    pages: Vec<(PageAddr, usize, Box<[u8; PAGE_LEN]>)>,
}

impl<'a> TaskCode<'a> {
    pub(crate) fn new(
        memory: &'a ProcessMemory,
        table: &'a MappingTable,
        sites: &'a SiteTable,
        guards: &'a Guards,
        space: SpaceId,
    ) -> Self {
        let (to_guard, pages) = (Vec::new(), Vec::new());
        Self { memory, table, sites, guards, space, to_guard, pages }
    }

    /// The bytes of a page; none if they cannot be executed.
    fn page(&mut self, page: PageAddr) -> &[u8] {
        let known = self.pages.iter().position(|(other, ..)| *other == page);
        let n = known.unwrap_or_else(|| {
            let mut bytes = Box::new([0; PAGE_LEN]);
            let mapping = self.table.find(page.addr());
            let runs = mapping.is_some_and(|mapping| mapping.prot.allows(Protection::EXEC));
            let got = match runs {
                true => self.memory.read(page.addr(), &mut bytes[..]).unwrap_or(0),
                false => 0,
            };
            self.sites.mask(self.space, page.addr(), &mut bytes[..]);
            self.pages.push((page, got, bytes));
            self.pages.len() - 1
        });
        let found = self.pages.get(n);
        found.and_then(|(_, got, bytes)| bytes.get(..*got)).unwrap_or_default()
    }
}

impl Code for TaskCode<'_> {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            let Some(from) = at.checked_add(done as u64) else { break };
            let page = from.page();
            let skip = from.offset_from(page.addr()).and_then(|skip| usize::try_from(skip).ok());
            let bytes = self.page(page).get(skip.unwrap_or(PAGE_LEN)..).unwrap_or_default();
            let len = bytes.len().min(into.len() - done);
            let (Some(to), Some(bytes)) = (into.get_mut(done..done + len), bytes.get(..len)) else {
                break;
            };
            to.copy_from_slice(bytes);
            done += len;
            if len == 0 {
                break;
            }
        }
        done
    }

    fn constancy(&mut self, at: Addr) -> Constancy {
        let Some(mapping) = self.table.find(at) else { return Constancy::Compared };
        if matches!(mapping.backing, Backing::Shared { .. } | Backing::Private { .. }) {
            // Others may write to the same memory.
            return Constancy::Compared;
        }
        if !mapping.prot.allows(Protection::WRITE) {
            return Constancy::Told;
        }
        // A block reaches into the next page at most.
        let pages = [Some(at.page()), at.page().next()];
        let mut pages = pages.into_iter().flatten();
        if !pages.all(|page| self.guards.are_worth_it(self.space, page)) {
            return Constancy::Compared;
        }
        let here = [Some(at.page()), at.page().next()].into_iter().flatten();
        for page in here.filter(|page| mapping.range.contains_range(page.range())) {
            if !self.to_guard.contains(&page) {
                self.to_guard.push(page);
            }
        }
        Constancy::Told
    }
}
