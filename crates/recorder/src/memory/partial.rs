//! Calls on memory that do a part of what they were asked for and then fail.

use retake_model::{Addr, AddrRange, PAGE_SIZE};
use retake_ptrace::PageMap;
use retake_recording::Effect;

use crate::book::Draft;
use crate::error::RecordError;
use crate::tasks::Task;
use crate::world::World;

impl World {
    /// mprotect(2) changes what lies before the place that it fails at: takes over what the kernel says
    /// of a range.
    pub(crate) fn follow_protections(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        range: AddrRange,
    ) -> Result<(), RecordError> {
        let maps = retake_tracee::read_maps(task.tid)
            .map_err(|error| RecordError::System { attempt: "read /proc/PID/maps", error })?;
        for entry in maps {
            let Some(part) = entry.range.intersection(range).filter(|part| !part.is_empty()) else {
                continue;
            };
            let ours = self.space(task.space)?.table.parts(part);
            if ours.iter().any(|mapping| mapping.prot != entry.prot) {
                self.change(draft, task, Effect::Protect { range: part, prot: entry.prot })?;
            }
        }
        Ok(())
    }

    /// madvise(2) failed somewhere after it discarded pages: whatever is not there now reads as its
    /// backing, and may be discarded again.
    pub(crate) fn discard_what_is_gone(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        range: AddrRange,
    ) -> Result<(), RecordError> {
        let map = PageMap::open(task.tid)?;
        for mapping in self.space(task.space)?.table.parts(range) {
            let mut there = Vec::new();
            map.private_pages(mapping.range, &mut there)?;
            let mut at = mapping.range.start();
            let after = |page: Addr| Addr::new(page.get() + PAGE_SIZE);
            let stops = there.iter().map(|page| page.addr());
            for stop in stops.chain([mapping.range.end()]) {
                if let Some(range) = AddrRange::new(at, stop).filter(|gone| !gone.is_empty()) {
                    self.change(draft, task, Effect::Discard { range })?;
                }
                at = after(stop);
            }
        }
        Ok(())
    }
}
