//! Leading call sites to the code.

use retake_model::{Addr, AddrRange, Backing, Mapping, PAGE_SIZE, Protection, Registers};
use retake_ptrace::Stopped;
use retake_recording::Effect;
use retake_tracee::MappingTable;
use retake_tracee::fast::{may_be_fast, stub};

use super::remembered::InFile;
use super::sites::{Around, SEARCHED, SEARCHED_BEFORE, Way};
use super::state::FARTHEST;
use super::{Site, Stubs, map_at};
use crate::book::Draft;
use crate::calls::view::View;
use crate::error::RecordError;
use crate::next::call_number;
use crate::tasks::Task;
use crate::world::World;

/// A site is led to the code after so many calls.
pub(super) const OFTEN: u32 = 30;
/// `syscall`
pub(super) const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// A page of stubs goes into a gap of this size at least, and stays so far from what is above it.
const GAP: u64 = 1 << 20;
const DISTANCE: u64 = 16 * PAGE_SIZE;
/// Lowest address that programs may map (`vm.mmap_min_addr`).
const LOWEST: u64 = 1 << 16;

/// Where a page of stubs can go: below what the site is in, as what grows there grows elsewhere too.
fn room_for_stubs(table: &MappingTable, site: Addr) -> Option<Addr> {
    let mut below = LOWEST;
    let mut found = None;
    for mapping in table.iter().take_while(|mapping| mapping.range.start() <= site) {
        let start = mapping.range.start().get();
        if start.saturating_sub(below) >= GAP && !mapping.grows_down {
            found = Some(start - DISTANCE);
        }
        below = mapping.range.end().get();
    }
    let found = found.filter(|at| site.get() - at < FARTHEST).map(Addr::new);
    found.filter(|at| !retake_tracee::is_ours(*at))
}

/// Maps a page for stubs near a site, if there is room. The task's registers are whoever's afterwards.
pub(super) fn map_stubs(
    task: &mut Task,
    stopped: &mut Stopped,
    registers: &Registers,
    table: &MappingTable,
    site: Addr,
) -> Result<Option<(Stubs, Mapping)>, RecordError> {
    let Some(page) = room_for_stubs(table, site) else { return Ok(None) };
    let prot = Protection::READ.union(Protection::EXEC);
    let is_mapped = map_at(task, stopped, registers, page, PAGE_SIZE, prot.bits())?;
    let range = AddrRange::with_len(page, PAGE_SIZE).filter(|_| is_mapped);
    Ok(range.map(|range| {
        let mapping = Mapping { range, prot, backing: Backing::Anonymous, grows_down: false };
        (Stubs::at(page), mapping)
    }))
}

impl World {
    /// A task has made a traced call: if its site makes many of them that could be fast, it is led to the
    /// code, as part of the event. The task goes on with `after`.
    pub(crate) fn speed_up(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        stopped: &mut Stopped,
        entry: &Registers,
        after: &Registers,
    ) -> Result<(), RecordError> {
        if task.fast_code.is_none() || !may_be_fast(call_number(entry)) {
            return Ok(());
        }
        let site = Addr::new(entry.rip.wrapping_sub(SYSCALL.len() as u64));
        let space = self.space(task.space)?;
        if !space.fast.present || space.fast.is_in_stub(site) {
            return Ok(());
        }
        let seen = match space.fast.sites.get(&site) {
            Some(Site::Settled) => return Ok(()),
            Some(Site::Seen(count)) => *count,
            None => 0,
        };
        let place = space.table.find(site).and_then(|mapping| InFile::of(site, mapping));
        let enough = self.remembered.enough(place);
        let state = if seen < enough { Site::Seen(seen + 1) } else { Site::Settled };
        self.space(task.space)?.fast.sites.insert(site, state);
        if state == Site::Settled {
            self.lead_to_fast_code(draft, task, stopped, site, after)?;
        }
        Ok(())
    }

    fn lead_to_fast_code(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        stopped: &mut Stopped,
        site: Addr,
        after: &Registers,
    ) -> Result<(), RecordError> {
        let Some(mapping) = self.space(task.space)?.table.find(site).cloned() else {
            return Ok(());
        };
        let is_text = mapping.prot.allows(Protection::EXEC)
            && !mapping.prot.allows(Protection::WRITE)
            && matches!(mapping.backing, Backing::File { .. } | Backing::Copied);
        let Some(behind) = site.checked_add(SYSCALL.len() as u64).filter(|_| is_text) else {
            return Ok(());
        };
        let mut call = [0; SYSCALL.len()];
        if task.memory.read_exact(site, &mut call).is_err() || call != SYSCALL {
            return Ok(());
        }
        let in_mapping = |len: Option<u64>| usize::try_from(len.unwrap_or(0)).unwrap_or(0);
        let mut behind_it = [0; SEARCHED];
        let wanted = in_mapping(mapping.range.end().offset_from(behind)).min(SEARCHED);
        let read = |at, out: Option<&mut [u8]>| task.memory.read(at, out.unwrap_or_default());
        let got = read(behind, behind_it.get_mut(..wanted)).unwrap_or(0);
        let mut before_it = [0; SEARCHED_BEFORE];
        let wanted = in_mapping(site.offset_from(mapping.range.start())).min(SEARCHED_BEFORE);
        let before = before_it.get_mut(..wanted).unwrap_or_default();
        let is_read = site
            .checked_sub(before.len() as u64)
            .is_some_and(|from| task.memory.read_exact(from, before).is_ok());
        let around = Around {
            site,
            before: if is_read { before } else { &[] },
            behind: behind_it.get(..got).unwrap_or_default(),
        };
        // Before a page is mapped for it: is there a way at all?
        let way = Way::find(&around);
        if let Some(place) = InFile::of(site, &mapping) {
            let found = way.as_ref().and_then(|way| Some((way, way.bytes(&View(&task.memory))?)));
            self.remembered.looked(place, site, found);
        }
        let Some(way) = way else { return Ok(()) };
        let Some(slot) = self.stub_slot(draft, task, stopped, site, after)? else {
            return Ok(());
        };
        let (Some(stub), Some(patches)) = (stub(slot, behind), way.patches(slot)) else {
            return Ok(());
        };
        crate::calls::threads::write_now(draft, task, slot, &stub);
        for (at, bytes) in patches {
            crate::calls::threads::write_now(draft, task, at, &bytes);
        }
        self.space(task.space)?.fast.in_use = true;
        Ok(())
    }

    /// Room for a stub near enough to `site`.
    fn stub_slot(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        stopped: &mut Stopped,
        site: Addr,
        after: &Registers,
    ) -> Result<Option<Addr>, RecordError> {
        let space = self.space(task.space)?;
        if let Some(slot) = space.fast.stubs.iter_mut().find_map(|stubs| stubs.take(site)) {
            return Ok(Some(slot));
        }
        let mapped = map_stubs(task, stopped, after, &space.table, site)?;
        stopped.set_registers(after)?;
        let Some((mut stubs, mapping)) = mapped else { return Ok(None) };
        self.change(draft, task, Effect::Map { mapping })?;
        let slot = stubs.take(site);
        self.space(task.space)?.fast.stubs.push(stubs);
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(from: u64, to: u64) -> Mapping {
        Mapping {
            range: AddrRange::new(Addr::new(from), Addr::new(to)).unwrap(),
            prot: Protection::READ.union(Protection::EXEC),
            backing: Backing::Anonymous,
            grows_down: false,
        }
    }

    #[test]
    fn stubs_go_below_what_the_site_is_in() {
        let table = MappingTable::new([
            mapping(0x5555_0000_0000, 0x5555_0001_0000),
            mapping(0x7fff_0000_0000, 0x7fff_0001_0000),
            mapping(0x7fff_0001_1000, 0x7fff_0002_0000),
        ]);
        let room = |site| room_for_stubs(&table, Addr::new(site)).map(Addr::get);
        assert_eq!(room(0x5555_0000_1234), Some(0x5554_ffff_0000));
        assert_eq!(room(0x7fff_0001_5678), Some(0x7ffe_ffff_0000));
    }

    #[test]
    fn stubs_are_not_put_into_scratch_memory() {
        let table = MappingTable::new([mapping(0x7030_0000, 0x7040_0000)]);
        assert_eq!(room_for_stubs(&table, Addr::new(0x7030_1000)), None);
    }

    #[test]
    fn stubs_are_not_put_below_a_stack() {
        let mut stack = mapping(0x7fff_0000_0000, 0x7fff_0001_0000);
        stack.grows_down = true;
        let table = MappingTable::new([stack]);
        assert_eq!(room_for_stubs(&table, Addr::new(0x7fff_0000_1000)), None);
    }
}
