//! getcpu(2), sched_getaffinity(2), sched_setaffinity(2), and the CPU in the area of rseq(2).

use retake_abi::{Errno, nr};
use retake_model::{Addr, SyscallNo};
use retake_ptrace::set_nice;
use retake_recording::Effect;

use super::cpu_set::CpuSet;
use super::rights::Rights;
use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::hardware::Hardware;
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

/// Sizes of sets are multiples of this.
const SIZE_OF_WORD: u64 = 8;

impl World {
    /// Writes the CPU that `other` is told to be on where it has asked for that, as an effect of an event of `task`.
    fn write_cpu(&mut self, draft: &mut Draft, task: &Task, other: &Task) {
        let area = self.spaces.get(&other.space).and_then(|space| space.rseq.get(&other.id));
        let Some(addr) = area.copied() else { return };
        let bytes = self.cpu_of_rseq(other);
        if !other.memory.write_as_allowed(addr, &bytes) {
            return;
        }
        draft.add(&match other.space == task.space {
            true => Effect::Write { addr, bytes },
            false => Effect::ForeignWrite { space: other.space, addr, bytes },
        });
    }

    /// `cpu_id_start` and `cpu_id` of `struct rseq`.
    pub(crate) fn cpu_of_rseq(&self, task: &Task) -> Vec<u8> {
        let cpu = u32::try_from(task.told.cpu).unwrap_or(0).to_le_bytes();
        [cpu, cpu].concat()
    }
}

impl Hardware {
    /// A task stays where it is if it may.
    fn bind(&self, task: &mut Task, set: CpuSet) {
        if !set.contains(task.told.cpu) {
            task.told.cpu = self.processors.seat(&set, task.id);
        }
        task.told.cpus = set;
    }

    /// The first task.
    pub(crate) fn seat_first(&self, task: &mut Task) {
        self.bind(task, self.processors.allowed().clone());
        task.told.cpu = self.processors.seat(&task.told.cpus, task.id);
    }
}

impl Session {
    pub(crate) fn affinity_call(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        no: SyscallNo,
        args: &[u64; 6],
    ) -> Answer {
        match no {
            nr::GETCPU => Answer::Now(self.tell_cpu(draft, task, args)),
            nr::SCHED_GETAFFINITY => self.tell_affinity(draft, task, args),
            _ => self.set_affinity(draft, task, args),
        }
    }

    /// getcpu(2).
    pub(crate) fn tell_cpu(&mut self, draft: &mut Draft, task: &Task, args: &[u64; 6]) -> i64 {
        let [cpu, node, ..] = *args;
        let number = u32::try_from(task.told.cpu).unwrap_or(0);
        let its_node = self.hardware.processors.node(task.told.cpu);
        let mut give = |to: u64, value: u32| {
            to == 0 || self.world.give(draft, task, Addr::new(to), &value.to_le_bytes())
        };
        let cpu_given = give(cpu, number);
        let node_given = give(node, its_node);
        if cpu_given && node_given { 0 } else { Errno::EFAULT.to_result() }
    }

    fn tell_affinity(&mut self, draft: &mut Draft, task: &mut Task, args: &[u64; 6]) -> Answer {
        let [number, len, to, ..] = *args;
        let len = len & 0xffff_ffff;
        let form = self.hardware.processors.form();
        if len < form.least as u64 || !len.is_multiple_of(SIZE_OF_WORD) {
            return Answer::Now(Errno::EINVAL.to_result());
        }
        let set = self.with_named(task, number, |_, task, other| {
            other.map_or(&task.told, |other| &other.told).cpus.clone()
        });
        let Some(set) = set else { return Answer::Kernel };
        let len = usize::try_from(len).unwrap_or(0).min(form.len);
        let given = self.world.give(draft, task, Addr::new(to), &set.to_bytes(len));
        Answer::Now(match given {
            true => i64::try_from(len).unwrap_or(0),
            false => Errno::EFAULT.to_result(),
        })
    }

    fn set_affinity(&mut self, draft: &mut Draft, task: &mut Task, args: &[u64; 6]) -> Answer {
        let [number, len, from, ..] = *args;
        let room = self.hardware.processors.form().len as u64;
        let mut bytes = vec![0; usize::try_from((len & 0xffff_ffff).min(room)).unwrap_or(0)];
        if task.memory.read_exact(Addr::new(from), &mut bytes).is_err() {
            return Answer::Now(Errno::EFAULT.to_result());
        }
        let set = self.hardware.processors.cut(&CpuSet::from_bytes(&bytes));
        let done = self.with_named(task, number, |session, task, other| match other {
            Some(other) if !Rights::of(task.tid)?.rule(Rights::of(other.tid)?) => Err(Errno::EPERM),
            _ if set.is_empty() => Err(Errno::EINVAL),
            Some(other) => {
                session.hardware.bind(other, set);
                session.world.write_cpu(draft, task, other);
                Ok(())
            }
            None => {
                session.hardware.bind(task, set);
                session.world.write_cpu(draft, task, task);
                Ok(())
            }
        });
        match done {
            Some(done) => Answer::Now(done.map_or_else(Errno::to_result, |()| 0)),
            None => Answer::Kernel,
        }
    }

    /// A task that `maker` has made is told what that was told; a forked process has its maker's area of rseq(2).
    pub(crate) fn seat_new(&mut self, draft: &mut Draft, maker: &Task, task: &mut Task) {
        task.told = maker.told.clone();
        task.told.cpu = self.hardware.processors.seat(&task.told.cpus, task.id);
        if task.told.real_time.is_some_and(|policy| policy.resets_on_fork) {
            task.told.real_time = None;
            // The kernel would do that as well (kernel/sched/core.c, `sched_fork`).
            set_nice(task.tid, 0);
        }
        self.world.take_priority(task);
        if task.space == maker.space {
            return;
        }
        if let Some(space) = self.world.spaces.get_mut(&task.space) {
            let area = space.rseq.remove(&maker.id);
            space.rseq.clear();
            space.rseq.extend(area.map(|area| (task.id, area)));
        }
        self.world.write_cpu(draft, maker, task);
    }
}
