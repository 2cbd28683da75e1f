//! Breakpoints in replayed memory.

use std::collections::BTreeMap;

use retake_execution::{Site, SiteId, SiteTarget};
use retake_model::{Addr, AddrRange, Protection, SpaceId};

use crate::displaced::Copies;
use crate::failure::Failure;
use crate::machine::Machine;

/// `int3`
const BREAKPOINT: u8 = 0xcc;

/// What is asked for and what is installed.
#[derive(Clone, Debug, Default)]
pub(crate) struct SiteTable {
    wanted: Vec<Site>,
    /// The byte that was there before, by place.
    installed: BTreeMap<(SpaceId, Addr), u8>,
    /// Instructions under breakpoints that are executed elsewhere.
    pub(crate) copies: Copies,
}

fn range_of(space: SpaceId, range: AddrRange) -> std::ops::Range<(SpaceId, Addr)> {
    (space, range.start())..(space, range.end())
}

impl SiteTable {
    pub(crate) fn is_installed(&self, space: SpaceId, addr: Addr) -> bool {
        self.installed.contains_key(&(space, addr))
    }

    /// Whether tasks are to stop anywhere.
    pub(crate) fn are_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Where breakpoints are installed in `space`.
    pub(crate) fn installed_in(&self, space: SpaceId) -> impl Iterator<Item = Addr> {
        self.installed.keys().filter(move |(other, _)| *other == space).map(|(_, addr)| *addr)
    }

    pub(crate) fn forget_installed(&mut self) {
        self.installed.clear();
        self.copies.forget_all();
    }

    pub(crate) fn forget_space(&mut self, space: SpaceId) {
        self.installed.retain(|(s, _), _| *s != space);
        self.copies.forget_space(space);
    }

    /// The memory of `range` is new: no breakpoint is in it.
    pub(crate) fn forget_range(&mut self, space: SpaceId, range: AddrRange) {
        let gone: Vec<_> =
            self.installed.range(range_of(space, range)).map(|(key, _)| *key).collect();
        for key in gone {
            self.installed.remove(&key);
        }
    }

    /// A forked space starts with its parent's breakpoints in its memory.
    pub(crate) fn copy_space(&mut self, from: SpaceId, to: SpaceId) {
        let copies: Vec<_> = self
            .installed
            .iter()
            .filter(|((space, _), _)| *space == from)
            .map(|((_, addr), byte)| ((to, *addr), *byte))
            .collect();
        self.installed.extend(copies);
        self.copies.copy_space(from, to);
    }

    /// Puts the bytes that were there before back into what was read from `addr`.
    pub(crate) fn mask(&self, space: SpaceId, addr: Addr, bytes: &mut [u8]) {
        let Some(range) = AddrRange::with_len(addr, bytes.len() as u64) else {
            return;
        };
        for ((_, at), byte) in self.installed.range(range_of(space, range)) {
            let offset = at.offset_from(addr).and_then(|offset| usize::try_from(offset).ok());
            if let Some(place) = offset.and_then(|offset| bytes.get_mut(offset)) {
                *place = *byte;
            }
        }
    }

    /// Whether a breakpoint is in the page at `addr`.
    pub(crate) fn in_range(&self, space: SpaceId, range: AddrRange) -> bool {
        self.installed.range(range_of(space, range)).next().is_some()
    }
}

impl Machine {
    /// Makes `sites` the places to stop at.
    pub(crate) fn want_sites(&mut self, sites: &[Site]) -> Result<(), Failure> {
        if self.sites.wanted == sites {
            return Ok(());
        }
        self.sites.wanted = sites.to_vec();
        self.refresh_all_sites()
    }

    /// Whether stops at `target` are wanted, under whatever number.
    pub(crate) fn wants(&self, target: SiteTarget) -> bool {
        self.sites.wanted.iter().any(|site| site.target == target)
    }

    pub(crate) fn refresh_all_sites(&mut self) -> Result<(), Failure> {
        let spaces: Vec<SpaceId> = self.spaces.keys().copied().collect();
        spaces.into_iter().try_for_each(|space| self.refresh_sites(space))
    }

    /// The first wanted site at an address.
    pub(crate) fn site_at(&self, space: SpaceId, addr: Addr) -> Option<SiteId> {
        let table = &self.spaces.get(&space)?.table;
        self.sites
            .wanted
            .iter()
            .find(|site| places(table, site.target).contains(&addr))
            .map(|s| s.id)
    }

    /// Installs and removes breakpoints so that they are where they are wanted in `space`.
    pub(crate) fn refresh_sites(&mut self, space: SpaceId) -> Result<(), Failure> {
        if self.sites.wanted.is_empty() && self.sites.installed.is_empty() {
            return Ok(());
        }
        let Some(live) = self.spaces.get(&space) else {
            return Ok(());
        };
        let mut wanted: Vec<Addr> =
            self.sites.wanted.iter().flat_map(|site| places(&live.table, site.target)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let here = |((s, addr), _): (&(SpaceId, Addr), &u8)| (*s == space).then_some(*addr);
        let installed: Vec<Addr> = self.sites.installed.iter().filter_map(here).collect();
        for addr in installed.iter().filter(|addr| wanted.binary_search(addr).is_err()) {
            self.remove_site(space, *addr)?;
        }
        for addr in wanted {
            self.install_site(space, addr)?;
        }
        Ok(())
    }

    pub(crate) fn install_site(&mut self, space: SpaceId, addr: Addr) -> Result<(), Failure> {
        if self.sites.is_installed(space, addr) {
            return Ok(());
        }
        let Some(task) = self.task_in(space) else {
            return Ok(());
        };
        let mut byte = [0];
        task.memory.read_exact(addr, &mut byte)?;
        task.memory.write(addr, &[BREAKPOINT])?;
        let [byte] = byte;
        self.sites.installed.insert((space, addr), byte);
        Ok(())
    }

    pub(crate) fn remove_site(&mut self, space: SpaceId, addr: Addr) -> Result<(), Failure> {
        let Some(byte) = self.sites.installed.remove(&(space, addr)) else {
            return Ok(());
        };
        match self.task_in(space) {
            Some(task) => Ok(task.memory.write(addr, &[byte])?),
            None => Ok(()),
        }
    }

    pub(crate) fn remove_sites_in(
        &mut self,
        space: SpaceId,
        range: AddrRange,
    ) -> Result<(), Failure> {
        let there: Vec<Addr> =
            self.sites.installed.range(range_of(space, range)).map(|((_, a), _)| *a).collect();
        there.into_iter().try_for_each(|addr| self.remove_site(space, addr))
    }
}

fn places(table: &retake_tracee::MappingTable, target: SiteTarget) -> Vec<Addr> {
    match target {
        SiteTarget::Code { file, offset } => Machine::addresses_of(table, file, offset),
        SiteTarget::Absolute(addr) => {
            let executable =
                table.find(addr).is_some_and(|mapping| mapping.prot.allows(Protection::EXEC));
            if executable { vec![addr] } else { Vec::new() }
        }
    }
}
