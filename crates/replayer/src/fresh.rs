//! Tasks with an empty address space: one for each program that is executed.

use retake_model::{SpaceId, TaskId, Tid};
use retake_ptrace::Cpuid;

use crate::failure::Failure;
use crate::live::{Identity, LiveTask};

/// Where they come from. Each that is forked off the replayer begins with a copy of its page tables, which takes half a
/// millisecond: where more than one is wanted, the others are forked off one that is kept empty.
#[derive(Debug, Default)]
pub(crate) enum FreshTasks {
    /// None was wanted yet.
    #[default]
    None,
    /// One was.
    One,
    /// More were: the one that is kept.
    More(Box<LiveTask>),
}

impl FreshTasks {
    /// One more.
    pub(crate) fn start(&mut self, identity: Identity, cpuid: Cpuid) -> Result<LiveTask, Failure> {
        if let Self::One = self {
            let nobody = Identity {
                id: TaskId::new(u32::MAX),
                tid: Tid::new(0),
                pid: Tid::new(0),
                space: SpaceId::new(u32::MAX),
            };
            *self = Self::More(Box::new(LiveTask::start(nobody, cpuid)?));
        }
        if let Self::More(kept) = self
            && let Ok(task) = kept.spawn_beside(identity)
        {
            return Ok(task);
        }
        // The first one, or the one that was kept was killed.
        *self = Self::One;
        LiveTask::start(identity, cpuid)
    }
}

#[cfg(test)]
mod tests {
    use retake_model::{Addr, Protection};
    use retake_ptrace::kill_process;
    use retake_tracee::read_maps;

    use super::*;

    #[test]
    fn each_is_empty_whatever_the_others_have() {
        let mut fresh = FreshTasks::default();
        let mut tasks: Vec<LiveTask> = Vec::new();
        for n in 0..6 {
            if let (4, FreshTasks::More(kept)) = (n, &fresh) {
                // As the kernel does when memory runs out.
                kill_process(kept.stopped.tid());
            }
            let (id, tid, space) = (TaskId::new(n), Tid::new(1), SpaceId::new(n));
            let identity = Identity { id, tid, pid: tid, space };
            let mut task = fresh.start(identity, Cpuid::Executed).unwrap();
            let entries = read_maps(task.stopped.tid()).unwrap();
            let own = entries.iter().filter(|entry| entry.path != "[vsyscall]");
            assert_eq!(own.count(), 1, "only retake's page: {entries:?}");
            let range = retake_model::AddrRange::with_len(Addr::new(0x10_0000), 0x1000).unwrap();
            task.map_anonymous(range, Protection::READ).unwrap();
            tasks.push(task);
        }
        let pids: std::collections::BTreeSet<Tid> =
            tasks.iter().map(|task| task.stopped.tid()).collect();
        assert_eq!(pids.len(), 6);
    }
}
