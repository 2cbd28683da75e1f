//! Watches, and going back to the last write.

use retake_execution::{Direction, RunPlan};

use super::{moving, names};
use crate::requests::{MemoryRange, NewWatch};
use crate::watches::{Access, WatchView};
use crate::{Answer, DebugError, Debugger, RequestControl};

pub(super) fn set(
    debugger: &mut Debugger,
    new: &NewWatch,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let watch = watch(debugger, &new.memory, new.access, control)?;
    let watch = debugger.watches.add(watch.addr, watch.len, watch.access);
    Ok(Answer::Watches(vec![watch]))
}

pub(super) fn list(debugger: &Debugger) -> Answer {
    Answer::Watches(debugger.watches.all().to_vec())
}

pub(super) fn clear(debugger: &mut Debugger, id: u32) -> Result<Answer, DebugError> {
    Ok(Answer::Watches(vec![debugger.watches.remove(id)?]))
}

/// Goes back to the last write to some memory before the current position.
pub(super) fn last(
    debugger: &mut Debugger,
    memory: &MemoryRange,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let watch = watch(debugger, memory, Access::Write, control)?;
    let watches: Vec<_> = watch.of(debugger.task()).into_iter().collect();
    let plan = RunPlan { watches: &watches, ..RunPlan::to_sites(Direction::Backward, &[]) };
    let stop = debugger.execution.run(&plan, None)?;
    Ok(moving::stopped(debugger, &stop))
}

/// A watch of memory that is there.
fn watch(
    debugger: &mut Debugger,
    memory: &MemoryRange,
    access: Access,
    control: &RequestControl,
) -> Result<WatchView, DebugError> {
    // A variable is watched itself, a pointer where it leads.
    let (addr, len) = match names::object(debugger, &memory.addr, control)? {
        Some((addr, size)) => (addr, memory.len.min(size)),
        None => (names::address(debugger, &memory.addr, control)?, memory.len),
    };
    let mut byte = vec![0; len];
    if debugger.execution.read_memory(debugger.task(), addr, &mut byte).is_err() {
        let what = format!("no memory is mapped at {addr} at this moment: go to one where it is");
        return Err(DebugError::NotFound(what));
    }
    Ok(WatchView { id: 0, addr, len: len as u64, access })
}
