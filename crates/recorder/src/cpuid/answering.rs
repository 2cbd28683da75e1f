//! Leading the instructions of a loader to code that answers them.

use std::collections::btree_map::Entry;
use std::rc::Rc;

use retake_model::{Addr, Registers};
use retake_ptrace::{ProcessMemory, Stopped};
use retake_tracee::fast::jump;
use retake_tracee::{ANSWERS_LEN, Answering, MapsEntry, Moved};

use super::loader::Mapped;
use crate::cpuid::Topology;
use crate::error::RecordError;
use crate::hardware::Hardware;
use crate::tasks::Task;

impl Hardware {
    pub(crate) fn topology(&self, task: &Task) -> Option<Topology> {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let count = number(self.processors.asked()?);
        Some(Topology { count, cpu: number(task.told.cpu) })
    }

    /// Leads the `cpuid` instructions of a fresh image's loader to code that answers them, from the second time on that a
    /// program is started with it. The image is of the file `program`, and has the mappings `list`.
    pub(crate) fn answer_in_loader(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        registers: &Registers,
        (program, list): (&[u8], &[MapsEntry]),
    ) -> Result<(), RecordError> {
        // With CPUs that the program is told of, answers depend on the task.
        let is_wanted = self.traps_cpuid
            && task.fast_code.is_some()
            && task.confinement.is_free()
            && task.traced.is_none()
            && self.processors.asked().is_none();
        if !is_wanted {
            return Ok(());
        }
        let Some(mapped) = Mapped::of(list, registers, program) else { return Ok(()) };
        let start = mapped.text.range.start();
        let loader = match self.loaders.known.entry(mapped.id) {
            Entry::Vacant(place) => {
                place.insert(None);
                return Ok(());
            }
            Entry::Occupied(place) => place.into_mut(),
        };
        if loader.is_none() {
            *loader = mapped.find_sites(&task.memory);
        }
        let (Some(loader), Some(room)) = (loader.as_mut(), mapped.room(list)) else {
            return Ok(());
        };
        let sites = loader.sites_at(start);
        let distance = room.get().wrapping_sub(start.get());
        let page = match &loader.page {
            Some((known, page)) if *known == distance => Rc::clone(page),
            _ => {
                // One that is too far away, for example: it is as if there were none.
                let Ok(page) = Answering::assemble(room, &self.processor.answers(), &sites) else {
                    loader.sites.clear();
                    return Ok(());
                };
                let page = Rc::new(page);
                loader.page = Some((distance, Rc::clone(&page)));
                page
            }
        };
        let Some((at, code)) = with_jumps(&task.memory, &sites, room, &page) else {
            return Ok(());
        };
        const READ_EXEC: u64 = 5;
        if crate::fast::map_at(task, stopped, registers, room, ANSWERS_LEN, READ_EXEC)? {
            task.memory.write(room, &page.bytes)?;
            task.memory.write(at, &code)?;
        }
        Ok(())
    }
}

/// The code from the first of the sites to the last, with jumps to the page at `room`, and where it stands. `None` where
/// the sites are not what they were.
pub(super) fn with_jumps(
    memory: &ProcessMemory,
    sites: &[Moved],
    room: Addr,
    page: &Answering,
) -> Option<(Addr, Vec<u8>)> {
    let (first, last) = (sites.first()?, sites.last()?);
    let len = last.site.offset_from(first.site)?.checked_add(last.code.len() as u64)?;
    let mut code = vec![0; usize::try_from(len).ok()?];
    memory.read_exact(first.site, &mut code).ok()?;
    for (moved, entry) in sites.iter().zip(&page.entries) {
        let from = usize::try_from(moved.site.offset_from(first.site)?).ok()?;
        let place = code.get_mut(from..from + moved.code.len())?;
        if *place != *moved.code {
            return None;
        }
        let jump = jump(moved.site, room.checked_add(*entry)?)?;
        place.get_mut(..jump.len())?.copy_from_slice(&jump);
    }
    Some((first.site, code))
}
