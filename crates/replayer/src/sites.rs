//! Breakpoints in replayed memory.

use std::collections::BTreeMap;

use retake_execution::{Site, SiteId, SiteTarget};
use retake_model::{Addr, AddrRange, Predicate, Protection, SpaceId, TaskId};

use crate::displaced::Copies;
use crate::failure::Failure;
use crate::machine::Machine;

/// `int3`
const BREAKPOINT: u8 = 0xcc;

/// What is asked for and what is installed.
#[derive(Clone, Debug, Default)]
pub(crate) struct SiteTable {
    wanted: Vec<Site>,
    installed: BTreeMap<(SpaceId, Addr), Installed>,
    /// Instructions under breakpoints that are executed elsewhere.
    pub(crate) copies: Copies,
}

/// A breakpoint in memory.
#[derive(Clone, Debug)]
struct Installed {
    /// The byte that was there before.
    byte: u8,
    counts: Counts,
}

/// Which arrivals at a breakpoint count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// None: nobody asked for it, a search uses it.
    Own,
    /// Every one.
    Always,
    /// Those for which this holds.
    If(Predicate),
}

impl Counts {
    fn of<'a>(sites: impl Iterator<Item = &'a Site>) -> Self {
        let mut any = Vec::new();
        let mut none = true;
        for site in sites {
            none = false;
            match &site.when {
                None => return Self::Always,
                Some(predicate) => any.push(predicate.clone()),
            }
        }
        match any.len() {
            0 if none => Self::Own,
            1 => any.pop().map_or(Self::Own, Self::If),
            _ => Self::If(Predicate::Any(any)),
        }
    }
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

    /// Where breakpoints are installed in `space`, and which arrivals count.
    pub(crate) fn installed_in(&self, space: SpaceId) -> impl Iterator<Item = (Addr, &Counts)> {
        let here = self.installed.iter().filter(move |((other, _), _)| *other == space);
        here.map(|((_, addr), installed)| (*addr, &installed.counts))
    }

    /// Which arrivals count at a breakpoint.
    pub(crate) fn counts_at(&self, space: SpaceId, addr: Addr) -> Option<&Counts> {
        self.installed.get(&(space, addr)).map(|installed| &installed.counts)
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
            .map(|((_, addr), installed)| ((to, *addr), installed.clone()))
            .collect();
        self.installed.extend(copies);
        self.copies.copy_space(from, to);
    }

    /// Puts the bytes that were there before back into what was read from `addr`.
    pub(crate) fn mask(&self, space: SpaceId, addr: Addr, bytes: &mut [u8]) {
        let Some(range) = AddrRange::with_len(addr, bytes.len() as u64) else {
            return;
        };
        for ((_, at), installed) in self.installed.range(range_of(space, range)) {
            let offset = at.offset_from(addr).and_then(|offset| usize::try_from(offset).ok());
            if let Some(place) = offset.and_then(|offset| bytes.get_mut(offset)) {
                *place = installed.byte;
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

    /// The first wanted site at an address at which the arrival of `task` counts.
    pub(crate) fn site_at(&mut self, task: TaskId, addr: Addr) -> Result<Option<SiteId>, Failure> {
        let space = self.task(task)?.space;
        let Some(live) = self.spaces.get(&space) else { return Ok(None) };
        let is_there = |site: &&Site| places(&live.table, site.target).contains(&addr);
        let mut there = self.sites.wanted.iter().filter(is_there);
        let Some(first) = there.next().map(|site| site.id) else { return Ok(None) };
        if there.next().is_none() {
            return Ok(Some(first));
        }
        let there: Vec<Site> = self.sites.wanted.iter().filter(is_there).cloned().collect();
        for site in there {
            match &site.when {
                Some(predicate) if !self.holds(task, predicate)? => {}
                _ => return Ok(Some(site.id)),
            }
        }
        Ok(Some(first))
    }

    /// Installs and removes breakpoints so that they are where they are wanted in `space`.
    pub(crate) fn refresh_sites(&mut self, space: SpaceId) -> Result<(), Failure> {
        if self.sites.wanted.is_empty() && self.sites.installed.is_empty() {
            return Ok(());
        }
        let Some(live) = self.spaces.get(&space) else {
            return Ok(());
        };
        let mut wanted: BTreeMap<Addr, Vec<&Site>> = BTreeMap::new();
        for site in &self.sites.wanted {
            for addr in places(&live.table, site.target) {
                wanted.entry(addr).or_default().push(site);
            }
        }
        let counts = |(addr, sites): (Addr, Vec<&Site>)| (addr, Counts::of(sites.into_iter()));
        let wanted: BTreeMap<Addr, Counts> = wanted.into_iter().map(counts).collect();
        let installed: Vec<Addr> = self.sites.installed_in(space).map(|(addr, _)| addr).collect();
        for addr in installed.iter().filter(|addr| !wanted.contains_key(addr)) {
            self.remove_site(space, *addr)?;
        }
        for (addr, counts) in wanted {
            self.install_site(space, addr, counts)?;
        }
        Ok(())
    }

    pub(crate) fn install_site(
        &mut self,
        space: SpaceId,
        addr: Addr,
        counts: Counts,
    ) -> Result<(), Failure> {
        if let Some(installed) = self.sites.installed.get_mut(&(space, addr)) {
            installed.counts = counts;
            return Ok(());
        }
        let Some(task) = self.task_in(space) else {
            return Ok(());
        };
        let mut byte = [0];
        task.memory.read_exact(addr, &mut byte)?;
        task.memory.write(addr, &[BREAKPOINT])?;
        let [byte] = byte;
        self.sites.installed.insert((space, addr), Installed { byte, counts });
        Ok(())
    }

    /// Takes a breakpoint out; says which arrivals counted there.
    pub(crate) fn remove_site(
        &mut self,
        space: SpaceId,
        addr: Addr,
    ) -> Result<Option<Counts>, Failure> {
        let Some(Installed { byte, counts }) = self.sites.installed.remove(&(space, addr)) else {
            return Ok(None);
        };
        if let Some(task) = self.task_in(space) {
            task.memory.write(addr, &[byte])?;
        }
        Ok(Some(counts))
    }

    pub(crate) fn remove_sites_in(
        &mut self,
        space: SpaceId,
        range: AddrRange,
    ) -> Result<(), Failure> {
        let there: Vec<Addr> =
            self.sites.installed.range(range_of(space, range)).map(|((_, a), _)| *a).collect();
        there.into_iter().try_for_each(|addr| self.remove_site(space, addr).map(drop))
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
