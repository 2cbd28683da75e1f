//! Programs that unmap all that there is: the recorder's own memory stays, as calls are injected from there.
//!
//! Loaders in user space and restorers of checkpoints do so. Their call unmaps what lies above the
//! recorder's memory; what lies below is unmapped by a second one.

use retake_abi::{MemoryCall, nr};
use retake_model::{Addr, AddrRange, PAGE_SIZE, Registers};
use retake_ptrace::Stopped;
use retake_tracee::{InjectPage, SCRATCH_BASE, SCRATCH_ROOM, SCRATCH_SLOTS, inject};

use crate::error::RecordError;
use crate::tasks::Task;

/// What `munmap(start, len)` unmaps below and above the recorder's memory, if that lies within it.
fn around_ours(start: u64, len: u64) -> Option<(AddrRange, AddrRange)> {
    // No larger one is unmapped, with page tables of five levels either.
    const LARGEST_SPACE: u64 = 1 << 56;
    let end = Addr::new(SCRATCH_BASE.get() + SCRATCH_SLOTS * SCRATCH_ROOM);
    let ours = AddrRange::new(InjectPage::ADDR, end)?;
    let range = AddrRange::with_len(Addr::new(start), len)?;
    let is_unmapped = start.is_multiple_of(PAGE_SIZE) && range.end().get() <= LARGEST_SPACE;
    if !is_unmapped || !range.contains_range(ours) {
        return None;
    }
    let below = AddrRange::new(range.start(), ours.start())?;
    let above = AddrRange::new(ours.end(), range.end())?.to_pages();
    (!above.is_empty()).then_some((below, above))
}

/// A call to `munmap` that would take the recorder's memory away gets the range above it instead.
pub(crate) fn spare(stopped: &mut Stopped, entry: &Registers) -> Result<(), RecordError> {
    if let Some((_, above)) = around_ours(entry.rdi, entry.rsi) {
        let (rdi, rsi) = (above.start().get(), above.len());
        stopped.set_registers(&Registers { rdi, rsi, ..*entry })?;
    }
    Ok(())
}

/// That call succeeded: what lies below the recorder's memory goes too.
pub(crate) fn unmap_below(
    task: &mut Task,
    stopped: &mut Stopped,
    (kind, args, result): (MemoryCall, &[u64; 6], i64),
    after: &Registers,
) -> Result<(), RecordError> {
    if kind != MemoryCall::Unmap || result != 0 {
        return Ok(());
    }
    let [start, len, ..] = *args;
    if let Some((below, _)) = around_ours(start, len).filter(|(below, _)| !below.is_empty()) {
        let args = [below.start().get(), below.len(), 0, 0, 0, 0];
        task.held.extend(inject(stopped, after, nr::MUNMAP, args)?.signals);
        stopped.set_registers(after)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_takes_all_of_it_away_is_split() {
        let all = around_ours(0, 0x7fff_ffff_f000).expect("it is split");
        assert_eq!(all.0.end(), InjectPage::ADDR);
        assert_eq!(all.1.start(), Addr::new(0x7f10_0000));
        assert_eq!(all.1.end(), Addr::new(0x7fff_ffff_f000));
        assert_eq!(around_ours(1, 0x7fff_ffff_e000), None, "not aligned: the kernel refuses it");
        assert_eq!(around_ours(0x40_0000, 0x1000), None);
        assert_eq!(around_ours(0, u64::MAX), None);
    }
}
