//! Waiting for traced tasks (wait4(2), waitid(2)).
//!
//! The kernel knows of the ends of children, and of nothing that a tracer is told here. What has happened when a wait
//! begins is its answer; what happens while it waits interrupts it, and takes the place of its result. A wait for
//! tasks that are no children would fail at once: the task makes another call meanwhile, which waits for a signal.

use retake_abi::consts::wait::{WEXITED, WNOHANG, WNOWAIT};
use retake_abi::{Errno, nr};
use retake_model::{Addr, Registers, Signal, SyscallNo, Tid};
use retake_ptrace::{Stopped, TaskStat, TaskStatus};

use super::requests::status_line;
use super::told::{description, put};
use super::{Stop, number_in};
use crate::book::Draft;
use crate::calls::answer::Answer;
use crate::error::RecordError;
use crate::next::call_number;
use crate::tasks::{OpenCall, Task};
use crate::tracing::ends::End;
use crate::world::World;

/// `struct rusage`, in bytes.
const USAGE: usize = 144;

/// Which tasks a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Any,
    Task(Tid),
    Group(i32),
}

/// A wait.
#[derive(Clone, Copy, Debug)]
struct Wait {
    who: Who,
    options: u64,
    /// `int *` of wait4(2).
    status: u64,
    /// `siginfo_t *` of waitid(2).
    info: Option<u64>,
    usage: u64,
}

impl Wait {
    /// What a call waits for; nothing if it is no wait, or for a process that it names by a descriptor.
    fn of(no: SyscallNo, args: &[u64; 6], task: &Task) -> Option<Self> {
        let [first, second, third, fourth, fifth, _] = *args;
        match no {
            nr::WAIT4 => {
                let who = match number_in(first).get() {
                    -1 => Who::Any,
                    0 => Who::Group(group_of(task.pid)?),
                    tid @ 1.. => Who::Task(Tid::new(tid)),
                    group => Who::Group(group.checked_neg()?),
                };
                let options = third | WEXITED;
                Some(Self { who, options, status: second, info: None, usage: fourth })
            }
            nr::WAITID => {
                let who = match (first, number_in(second).get()) {
                    (0, _) => Who::Any,
                    (1, tid) => Who::Task(Tid::new(tid)),
                    (2, 0) => Who::Group(group_of(task.pid)?),
                    (2, group) => Who::Group(group),
                    _ => return None,
                };
                Some(Self { who, options: fourth, status: 0, info: Some(third), usage: fifth })
            }
            _ => None,
        }
    }

    fn is_for(&self, tid: Tid, pid: Tid) -> bool {
        match self.who {
            Who::Any => true,
            Who::Task(wanted) => wanted == tid,
            Who::Group(group) => group_of(pid) == Some(group),
        }
    }

    fn has(&self, option: u64) -> bool {
        self.options & option != 0
    }

    /// What is told, and where.
    fn telling(&self, news: News) -> Vec<(Addr, Vec<u8>)> {
        let mut told = Vec::new();
        let mut tell = |to: u64, offset: u64, bytes: &[u8]| {
            if let Some(at) = Addr::new(to).checked_add(offset).filter(|_| to != 0) {
                told.push((at, bytes.to_vec()));
            }
        };
        match self.info {
            None => tell(self.status, 0, &news.status.to_le_bytes()),
            Some(info) => {
                // As the kernel does it: not the padding.
                let bytes = news.siginfo();
                tell(info, 0, bytes.get(..12).unwrap_or_default());
                tell(info, 16, bytes.get(16..28).unwrap_or_default());
            }
        }
        tell(self.usage, 0, &[0; USAGE]);
        told
    }

    /// The result of the call.
    fn result(&self, news: News) -> i64 {
        if self.info.is_some() { 0 } else { news.tid.get().into() }
    }
}

/// What a wait is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct News {
    tid: Tid,
    user: u32,
    status: u32,
}

impl News {
    /// `siginfo_t` of a SIGCHLD for it.
    fn siginfo(self) -> [u8; retake_model::SigInfo::SIZE] {
        const CLD_EXITED: i32 = 1;
        const CLD_KILLED: i32 = 2;
        const CLD_TRAPPED: i32 = 4;
        let (code, status) = match self.status & 0x7f {
            0 => (CLD_EXITED, self.status >> 8),
            0x7f => (CLD_TRAPPED, self.status >> 8),
            signal => (CLD_KILLED, signal),
        };
        let mut bytes = description(Signal::CHLD, code);
        put(&mut bytes, 16, self.tid.get().to_le_bytes());
        put(&mut bytes, 20, self.user.to_le_bytes());
        put(&mut bytes, 24, status.to_le_bytes());
        bytes
    }
}

/// The process group of a process (proc_pid_stat(5), `pgrp`).
fn group_of(pid: Tid) -> Option<i32> {
    TaskStat::read(pid)?.field(5)?.parse().ok()
}

/// Whether a task is a child of a process: the kernel tells of its end.
pub(super) fn is_child_of(tid: Tid, pid: Tid) -> bool {
    let Ok(status) = TaskStatus::of(tid) else { return false };
    let is = |name, wanted: Tid| status.numbers(name) == [wanted.get().cast_unsigned()];
    is("Tgid:", tid) && is("PPid:", pid)
}

/// Whether a process has a child, also one that has ended. True where that cannot be known.
fn has_children(pid: Tid) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    tasks.flatten().any(|task| {
        std::fs::read_to_string(task.path().join("children"))
            .map_or(true, |children| !children.trim().is_empty())
    })
}

impl Task {
    /// Whether it is in a wait that `tid` can end.
    pub(super) fn waits_for_traced(&self, tid: Tid) -> bool {
        let wait = |open: &OpenCall| Wait::of(open.call.no, &open.args, self);
        self.open.as_ref().and_then(wait).is_some_and(|wait| wait.is_for(tid, tid))
    }
}

impl World {
    /// Answers a wait for a task that the caller traces, if there is something to tell that was not told yet. All
    /// else the kernel knows.
    pub(crate) fn wait_for_traced(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        no: SyscallNo,
        args: &[u64; 6],
    ) -> Option<Answer> {
        if !self.traces(task) {
            return None;
        }
        let wait = Wait::of(no, args, task)?;
        let Some(news) = self.take_news(task, &wait) else {
            let nobody = wait.has(WNOHANG) && self.waits_for_tracees_only(task, &wait);
            return nobody.then_some(Answer::Now(0));
        };
        let told =
            wait.telling(news).into_iter().all(|(to, bytes)| self.give(draft, task, to, &bytes));
        let result = if told { wait.result(news) } else { Errno::EFAULT.to_result() };
        Some(Answer::Now(result))
    }

    /// Whether a call waits for tasks that are no children, but traced: the kernel would refuse it.
    pub(crate) fn waits_beside_kernel(&self, task: &Task, open: &OpenCall) -> bool {
        self.traces(task)
            && Wait::of(open.call.no, &open.args, task)
                .is_some_and(|wait| self.waits_for_tracees_only(task, &wait))
    }

    fn waits_for_tracees_only(&self, task: &Task, wait: &Wait) -> bool {
        let is_traced = |other: &Task| other.traced.as_ref().is_some_and(|t| t.by.pid == task.pid);
        let is_wanted = |other: &&Task| is_traced(other) && wait.is_for(other.tid, other.pid);
        let Some(other) = self.tasks.values().find(is_wanted) else { return false };
        match wait.who {
            Who::Task(_) => !is_child_of(other.tid, task.pid),
            Who::Any | Who::Group(_) => !has_children(task.pid),
        }
    }

    fn traces(&self, task: &Task) -> bool {
        !self.traced_ends.0.is_empty()
            || self
                .tasks
                .values()
                .any(|other| other.traced.as_ref().is_some_and(|traced| traced.by.pid == task.pid))
    }

    /// Something that the task's process has not been told of yet.
    fn take_news(&mut self, task: &Task, wait: &Wait) -> Option<News> {
        let stays = wait.has(WNOWAIT);
        let user = status_line(task.pid, "Uid:").and_then(|users| users.first().copied());
        let user = user.unwrap_or(0);
        // (Whether it is one for stops is for those of children that are not traced.)
        let unreported = |other: &Task| {
            let traced = other.traced.as_ref().filter(|traced| traced.by.pid == task.pid);
            traced.is_some_and(|traced| matches!(traced.stop, Stop::Unreported(_)))
        };
        let found = self
            .tasks
            .values_mut()
            .find(|other| unreported(other) && wait.is_for(other.tid, other.pid));
        if let Some(other) = found
            && let Some(traced) = &mut other.traced
            && let Stop::Unreported(why) = traced.stop.clone()
        {
            let status = traced.status(&why);
            if !stays {
                traced.stop = Stop::Reported(why);
            }
            return Some(News { tid: other.tid, user, status });
        }
        if wait.has(WEXITED) {
            let is_wanted = |end: &End| end.by.pid == task.pid && wait.is_for(end.tid, end.tid);
            let at = self.traced_ends.0.iter().position(is_wanted)?;
            let end = *self.traced_ends.0.get(at)?;
            if !stays {
                self.traced_ends.0.remove(at);
            }
            return Some(News { tid: end.tid, user, status: end.status });
        }
        None
    }

    /// A wait has come out of the kernel: what the task is told of a traced one takes the place of having been
    /// interrupted, and is where the kernel would have written it.
    pub(crate) fn end_wait(
        &mut self,
        task: &Task,
        open: &OpenCall,
        stopped: &mut Stopped,
    ) -> Result<(), RecordError> {
        let Some(wait) = Wait::of(open.call.no, &open.args, task) else { return Ok(()) };
        let now = stopped.registers()?;
        let interrupted = Errno::from_result(now.rax.cast_signed()).is_some_and(Errno::is_restart);
        let found_nobody = now.rax == 0 && wait.has(WNOHANG);
        let is_beside = call_number(&now) != call_number(&open.entry);
        if !interrupted && !found_nobody {
            return Ok(());
        }
        let own = Registers { orig_rax: open.entry.orig_rax, ..now };
        let placed = open.redirect.as_ref().map_or(&open.args, |redirect| &redirect.args);
        let news = self.take_news(task, &wait);
        let rax = match (news, Wait::of(open.call.no, placed, task)) {
            (Some(news), Some(placed)) => {
                let telling = placed.telling(news);
                let told =
                    telling.iter().all(|(to, bytes)| task.memory.write_as_allowed(*to, bytes));
                if told { wait.result(news) } else { Errno::EFAULT.to_result() }.cast_unsigned()
            }
            _ if is_beside => Errno::ERESTARTSYS.to_result().cast_unsigned(),
            _ => return Ok(()),
        };
        Ok(stopped.set_registers(&Registers { rax, ..own })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waitid_tells() {
        let news = |status| {
            let bytes = News { tid: Tid::new(7), user: 3, status }.siginfo();
            let word = |at: usize| bytes[at..at + 4].try_into().map(i32::from_le_bytes).unwrap();
            [word(0), word(8), word(16), word(20), word(24)]
        };
        assert_eq!(news(0x300), [17, 1, 7, 3, 3], "ended");
        assert_eq!(news(9), [17, 2, 7, 3, 9], "killed");
        assert_eq!(news(0x4_057f), [17, 4, 7, 3, 0x405], "stopped by an event");
    }
}
