//! Scheduling policies and nice values (sched(7)).
//!
//! Nice values and the other policies the kernel has as well: it is asked for them. A real-time policy only the
//! recorder knows; who may have one is decided as by the kernel (sched_setscheduler(2), "Privileges and resource
//! limits").

use retake_abi::{Errno, nr};
use retake_model::{Addr, SyscallNo, Tid};
use retake_ptrace::{be_no_nicer_than, scheduling_of};

use super::rights::{Rights, is_of_own_users, real_time_limit};
use super::state::RealTime;
use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::scheduler::Priority;
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

const SCHED_FIFO: u32 = 1;
const SCHED_RR: u32 = 2;
const SCHED_IDLE: u32 = 5;
const SCHED_DEADLINE: u32 = 6;
const SCHED_RESET_ON_FORK: u32 = 0x4000_0000;
/// Flags of `struct sched_attr` (linux/sched.h).
const RESET_ON_FORK: u64 = 1;
const KEEP_POLICY: u64 = 8;
const KEEP_PARAMS: u64 = 0x10;
/// The sizes of that structure: the first one, what is known of it here, and the most that any kernel takes.
const FIRST_SIZE: u64 = 48;
const KNOWN_SIZE: u64 = 56;
const MOST_SIZE: u64 = 4096;
/// Real-time priorities.
const PRIORITIES: std::ops::RangeInclusive<u32> = 1..=99;

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    RealTime(RealTime),
    /// The same policy, if it is a real-time one, with this priority.
    Same(u32),
    /// What it is, if it is a real-time one.
    Nothing,
}

fn read_u32(task: &Task, at: u64) -> Option<u32> {
    let mut bytes = [0; 4];
    task.memory.read_exact(Addr::new(at), &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
fn low(argument: u64) -> u32 {
    argument as u32
}

/// What a call asks for, if that is for the recorder to decide. What is wrong with the others the kernel says.
fn wanted(task: &Task, no: SyscallNo, args: &[u64; 6]) -> Option<Wanted> {
    let [_, second, third, ..] = *args;
    let real_time = |policy: u32, priority, resets_on_fork| {
        let is_real_time = matches!(policy, SCHED_FIFO | SCHED_RR);
        is_real_time.then_some(Wanted::RealTime(RealTime { policy, priority, resets_on_fork }))
    };
    match no {
        nr::SCHED_SETSCHEDULER => {
            let policy = low(second);
            let resets = policy & SCHED_RESET_ON_FORK != 0;
            real_time(policy & !SCHED_RESET_ON_FORK, read_u32(task, third)?, resets)
        }
        nr::SCHED_SETPARAM => Some(Wanted::Same(read_u32(task, second)?)),
        _ => {
            let size = u64::from(read_u32(task, second)?);
            if size != 0 && !(FIRST_SIZE..=MOST_SIZE).contains(&size) || low(third) != 0 {
                return None;
            }
            let field = |at| read_u32(task, second.checked_add(at)?);
            let (policy, flags, priority) = (field(4)?, u64::from(field(8)?), field(20)?);
            match flags {
                _ if flags & KEEP_PARAMS != 0 => Some(Wanted::Nothing),
                _ if flags & KEEP_POLICY != 0 => Some(Wanted::Same(priority)),
                _ => real_time(policy, priority, flags & RESET_ON_FORK != 0),
            }
        }
    }
}

/// `SCHED_DEADLINE` needs all CPUs.
fn wants_deadline(task: &Task, no: SyscallNo, args: &[u64; 6]) -> bool {
    let [_, attributes, ..] = *args;
    let policy = || read_u32(task, attributes.checked_add(4)?);
    no == nr::SCHED_SETATTR && policy() == Some(SCHED_DEADLINE)
}

/// Whether a task may have a policy by the will of one with the rights `own`. `limit` is its own.
fn is_allowed(
    own: Rights,
    other: Rights,
    (now, wanted): (Option<RealTime>, RealTime),
    limit: u32,
) -> bool {
    let keeps_policy = now.is_some_and(|now| now.policy == wanted.policy);
    let priority = now.map_or(0, |now| now.priority);
    own.owns(other)
        && (keeps_policy || limit > 0)
        && (wanted.priority <= priority || wanted.priority <= limit)
        && (wanted.resets_on_fork || !now.is_some_and(|now| now.resets_on_fork))
}

impl World {
    /// The kernel has set nice values: of a task, of a group of processes, or of all of a user.
    pub(crate) fn nice_was_set(&mut self, task: &mut Task) {
        self.take_priority(task);
        let mut tasks = std::mem::take(&mut self.tasks);
        for other in tasks.values_mut() {
            self.take_priority(other);
        }
        self.tasks = tasks;
    }

    /// What the kernel, or the recorder, has for a task is taken to the scheduler. The recorder itself shares the CPU
    /// with the program: it must not be nicer, or it would take the CPU from nobody in time.
    pub(super) fn take_priority(&self, task: &mut Task) {
        let Some(now) = scheduling_of(task.tid) else { return };
        be_no_nicer_than(now.nice);
        task.told.priority = match task.told.real_time {
            Some(real_time) => Priority::real_time(real_time.priority),
            None if now.policy == SCHED_IDLE => Priority::idle(),
            None => Priority::nice(now.nice),
        };
    }
}

impl Session {
    /// sched_setscheduler(2), sched_setparam(2), sched_setattr(2).
    pub(crate) fn set_policy(&mut self, task: &mut Task, no: SyscallNo, args: &[u64; 6]) -> Answer {
        if wants_deadline(task, no, args) {
            return Answer::Now(Errno::EPERM.to_result());
        }
        let Some(wanted) = wanted(task, no, args) else { return Answer::Kernel };
        let [number, ..] = *args;
        let done = self.with_named(task, number, |session, task, other| {
            let asking = task.tid;
            let target = other.unwrap_or(task);
            let now = target.told.real_time;
            let policy = match (wanted, now) {
                (Wanted::RealTime(policy), _) => policy,
                (Wanted::Same(priority), Some(now)) => RealTime { priority, ..now },
                (Wanted::Nothing, Some(now)) => now,
                (Wanted::Same(_) | Wanted::Nothing, None) => return Answer::Kernel,
            };
            Answer::Now(match session.take_policy(asking, target, policy) {
                Ok(()) => 0,
                Err(errno) => errno.to_result(),
            })
        });
        done.unwrap_or(Answer::Kernel)
    }

    fn take_policy(&self, asking: Tid, target: &mut Task, policy: RealTime) -> Result<(), Errno> {
        if !PRIORITIES.contains(&policy.priority) {
            return Err(Errno::EINVAL);
        }
        let own = Rights::of(asking)?;
        let is_capable = own.is_capable() && is_of_own_users(asking);
        let steps = (target.told.real_time, policy);
        let limit = || real_time_limit(target.tid);
        if !is_capable && !is_allowed(own, Rights::of(target.tid)?, steps, limit()) {
            return Err(Errno::EPERM);
        }
        target.told.real_time = Some(policy);
        self.world.take_priority(target);
        Ok(())
    }

    /// The kernel has set a policy that is not a real-time one.
    pub(crate) fn policy_was_set(&mut self, task: &mut Task, args: &[u64; 6]) {
        let [number, ..] = *args;
        self.with_named(task, number, |session, task, other| {
            let target = other.unwrap_or(task);
            target.told.real_time = None;
            session.world.take_priority(target);
        });
    }

    /// sched_getscheduler(2), sched_getparam(2), sched_getattr(2), sched_rr_get_interval(2).
    pub(crate) fn tell_policy(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        no: SyscallNo,
        args: &[u64; 6],
    ) -> Answer {
        let [number, to, size, flags, ..] = *args;
        let policy = self.with_named(task, number, |_, task, other| {
            other.map_or(&task.told, |other| &other.told).real_time
        });
        let Some(policy) = policy.flatten() else { return Answer::Kernel };
        let size = u64::from(low(size));
        let bytes = match no {
            nr::SCHED_GETSCHEDULER => {
                let reset = if policy.resets_on_fork { SCHED_RESET_ON_FORK } else { 0 };
                return Answer::Now(i64::from(policy.policy | reset));
            }
            _ if to == 0 => return Answer::Kernel,
            nr::SCHED_GETPARAM => policy.priority.to_le_bytes().to_vec(),
            nr::SCHED_RR_GET_INTERVAL => interval(policy),
            _ if !(FIRST_SIZE..=MOST_SIZE).contains(&size) || low(flags) != 0 => {
                return Answer::Kernel;
            }
            _ => attributes(policy, size.min(KNOWN_SIZE)),
        };
        let given = self.world.give(draft, task, Addr::new(to), &bytes);
        Answer::Now(if given { 0 } else { Errno::EFAULT.to_result() })
    }
}

/// `struct timespec`: how long a task with this policy runs, among equals.
fn interval(policy: RealTime) -> Vec<u8> {
    let setting = std::fs::read_to_string("/proc/sys/kernel/sched_rr_timeslice_ms");
    let millis: u64 = match policy.policy {
        SCHED_RR => setting.ok().and_then(|ms| ms.trim().parse().ok()).unwrap_or(100),
        _ => 0,
    };
    [millis / 1000, millis % 1000 * 1_000_000].into_iter().flat_map(u64::to_le_bytes).collect()
}

/// `struct sched_attr`: size, policy, flags, nice value, priority; what follows is for other policies.
fn attributes(policy: RealTime, size: u64) -> Vec<u8> {
    let flags = if policy.resets_on_fork { low(RESET_ON_FORK) } else { 0 };
    let words = [low(size), policy.policy, flags, 0, 0, policy.priority];
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.resize(usize::try_from(size).unwrap_or(0), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fifo(priority: u32) -> RealTime {
        RealTime { policy: SCHED_FIFO, priority, resets_on_fork: false }
    }

    #[test]
    fn a_limit_allows_priorities_up_to_it() {
        let own = Rights::default();
        let allowed = |now, wanted, limit| is_allowed(own, own, (now, wanted), limit);
        assert!(!allowed(None, fifo(1), 0));
        assert!(allowed(None, fifo(5), 5) && !allowed(None, fifo(6), 5));
        // Who has it may keep it and lower it.
        assert!(allowed(Some(fifo(9)), fifo(8), 0) && !allowed(Some(fifo(9)), fifo(10), 0));
        let resets = RealTime { resets_on_fork: true, ..fifo(3) };
        assert!(!allowed(Some(resets), fifo(3), 5) && allowed(Some(resets), resets, 5));
    }

    #[test]
    fn attributes_are_told() {
        let resets = RealTime { resets_on_fork: true, ..fifo(3) };
        let bytes = attributes(resets, 48);
        assert_eq!(bytes.len(), 48);
        assert_eq!((bytes[0], bytes[4], bytes[8], bytes[20]), (48, 1, 1, 3));
        assert_eq!(interval(fifo(3)), [0; 16]);
    }
}
