//! Scratch memory: where the kernel writes while other tasks could look.

use retake_model::{Addr, TaskId};
use retake_tracee::{SCRATCH_BASE, SCRATCH_ROOM, SCRATCH_SLOTS};

use crate::tasks::Space;

/// The scratch slot of a task, if the space has one left. The second value says whether its memory
/// still has to be mapped.
pub(crate) fn slot(space: &mut Space, task: TaskId) -> Option<(Addr, bool)> {
    let address = |slot: u64| SCRATCH_BASE.checked_add(slot * SCRATCH_ROOM);
    if let Some(&slot) = space.slots.get(&task) {
        return Some((address(slot)?, false));
    }
    let free = (0..SCRATCH_SLOTS).find(|slot| !space.slots.values().any(|used| used == slot))?;
    space.slots.insert(task, free);
    Some((address(free)?, true))
}
