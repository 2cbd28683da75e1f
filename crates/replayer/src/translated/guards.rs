//! Pages whose code is translated, and which the program may write to: they are write-protected meanwhile.
//!
//! A program that makes code while it runs writes to a page now and then. Where it does so all the time,
//! its code is compared at each entry instead.

use std::collections::{BTreeMap, BTreeSet};

use retake_model::{AddrRange, PageAddr, Protection, Signal, SpaceId, TaskId};
use retake_ptrace::StopEvent;

use crate::failure::Failure;
use crate::machine::Machine;

/// After so many writes to guarded code of a page it is guarded no more.
const PATIENCE: u32 = 6;
/// `SEGV_ACCERR` (sigaction(2)): the page is there, but not for this access.
const NOT_ALLOWED: i32 = 2;

/// The guarded pages of all address spaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    guarded: BTreeSet<(SpaceId, PageAddr)>,
    /// How often guarded code of a page was written.
    writes: BTreeMap<(SpaceId, PageAddr), u32>,
}

impl Guards {
    /// Whether the code of a page can be guarded.
    pub(crate) fn are_worth_it(&self, space: SpaceId, page: PageAddr) -> bool {
        self.writes.get(&(space, page)).is_none_or(|writes| *writes < PATIENCE)
    }

    fn is_guarded(&self, space: SpaceId, page: PageAddr) -> bool {
        self.guarded.contains(&(space, page))
    }

    /// The memory of `space` is gone, or another one's.
    pub(crate) fn forget_space(&mut self, space: SpaceId) {
        self.guarded.retain(|(other, _)| *other != space);
        self.writes.retain(|(other, _), _| *other != space);
    }

    /// The protection of `range` is another one, or its memory is.
    pub(crate) fn forget_range(&mut self, space: SpaceId, range: AddrRange) {
        self.guarded.retain(|(other, page)| *other != space || !page.range().overlaps(range));
        self.writes.retain(|(other, page), _| *other != space || !page.range().overlaps(range));
    }

    /// A forked space starts with its parent's protections.
    pub(crate) fn copy_space(&mut self, from: SpaceId, to: SpaceId) {
        let copied: Vec<_> = self.guarded.iter().filter(|(space, _)| *space == from).collect();
        let copied: Vec<_> = copied.into_iter().map(|(_, page)| (to, *page)).collect();
        self.guarded.extend(copied);
    }
}

impl Machine {
    /// Write-protects pages.
    pub(crate) fn guard(&mut self, id: TaskId, pages: Vec<PageAddr>) -> Result<(), Failure> {
        let space = self.task(id)?.space;
        for page in pages {
            if self.guards.is_guarded(space, page) {
                continue;
            }
            let prot = self.space(space).table.find(page.addr()).map(|mapping| mapping.prot);
            let Some(prot) = prot else { continue };
            self.task(id)?.protect(page.range(), prot.without(Protection::WRITE))?;
            self.guards.guarded.insert((space, page));
        }
        Ok(())
    }

    fn unguard(&mut self, id: TaskId, page: PageAddr) -> Result<(), Failure> {
        let space = self.task(id)?.space;
        self.guards.guarded.remove(&(space, page));
        if let Some(prot) = self.space(space).table.find(page.addr()).map(|mapping| mapping.prot) {
            self.task(id)?.protect(page.range(), prot)?;
        }
        Ok(())
    }

    /// Takes the guards off all pages: the memory is to be another one.
    pub(crate) fn unguard_all(&mut self) -> Result<(), Failure> {
        let guarded: Vec<_> = self.guards.guarded.iter().copied().collect();
        for (space, page) in guarded {
            if let Some(id) = self.task_in(space).map(|task| task.id) {
                self.unguard(id, page)?;
            }
        }
        self.guards = Guards::default();
        Ok(())
    }

    /// Whether the task was stopped because it wrote to a guarded page. The page is guarded no more then, and
    /// the instruction is to be executed again.
    pub(crate) fn met_guard(&mut self, id: TaskId, stop: StopEvent) -> Result<bool, Failure> {
        if stop != StopEvent::Signal(Signal::SEGV) || self.guards.guarded.is_empty() {
            return Ok(false);
        }
        let task = self.task(id)?;
        let space = task.space;
        let info = task.stopped.siginfo()?;
        let page = info.fault_addr().page();
        if info.code() != NOT_ALLOWED {
            return Ok(false);
        }
        // A write of several bytes can begin on the page before.
        let next = page.next().filter(|next| self.guards.is_guarded(space, *next));
        let Some(page) = Some(page).filter(|page| self.guards.is_guarded(space, *page)).or(next)
        else {
            return Ok(false);
        };
        let own = self.task(id)?.stopped.registers()?;
        self.unguard(id, page)?;
        self.task(id)?.go_on_with(&own)?;
        *self.guards.writes.entry((space, page)).or_insert(0) += 1;
        self.caches.code_changed(space, page.range())?;
        Ok(true)
    }
}
