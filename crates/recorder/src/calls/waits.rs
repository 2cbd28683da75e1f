//! Who waits for which lock.

use std::collections::{BTreeMap, VecDeque};

use retake_model::{Addr, SharedId, SpaceId, TaskId};

/// What a lock is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lock {
    Private(SpaceId, Addr),
    Shared(SharedId, u64),
}

/// A lock with tasks that wait for it.
#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) owner: TaskId,
    pub(super) waiters: VecDeque<TaskId>,
}

/// All locks that tasks wait for.
#[derive(Debug, Default)]
pub(crate) struct InheritedLocks(pub(super) BTreeMap<Lock, Awaited>);

/// The wait of a task for a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockWait {
    pub(super) word: Addr,
    /// It has it by now.
    pub(super) granted: bool,
}

impl InheritedLocks {
    /// The waiter that comes next becomes the owner.
    pub(super) fn pass_on(&mut self, lock: Lock) -> Option<TaskId> {
        let awaited = self.0.get_mut(&lock)?;
        let next = awaited.waiters.pop_front();
        awaited.owner = next?;
        if awaited.waiters.is_empty() {
            self.0.remove(&lock);
        }
        next
    }

    /// A task does not wait any more.
    pub(super) fn leave(&mut self, task: TaskId) {
        for awaited in self.0.values_mut() {
            awaited.waiters.retain(|waiter| *waiter != task);
        }
        self.0.retain(|_, awaited| !awaited.waiters.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: Lock = Lock::Shared(SharedId::new(1), 64);

    fn waiting(owner: u32, waiters: &[u32]) -> InheritedLocks {
        let waiters = waiters.iter().map(|id| TaskId::new(*id)).collect();
        InheritedLocks(BTreeMap::from([(LOCK, Awaited { owner: TaskId::new(owner), waiters })]))
    }

    #[test]
    fn the_first_that_waits_is_the_next_owner() {
        let mut locks = waiting(1, &[2, 3]);
        assert_eq!(locks.pass_on(LOCK), Some(TaskId::new(2)));
        assert_eq!(locks.0[&LOCK].owner, TaskId::new(2));
        assert_eq!(locks.pass_on(LOCK), Some(TaskId::new(3)));
        assert!(locks.0.is_empty(), "nobody waits");
        assert_eq!(locks.pass_on(LOCK), None);
    }

    #[test]
    fn who_leaves_is_passed_over() {
        let mut locks = waiting(1, &[2, 3]);
        locks.leave(TaskId::new(2));
        assert_eq!(locks.pass_on(LOCK), Some(TaskId::new(3)));
        let mut locks = waiting(1, &[2]);
        locks.leave(TaskId::new(2));
        assert!(locks.0.is_empty());
    }
}
