//! Programs in which every task waits for another one, for ever.

use std::os::fd::AsRawFd;

use retake_abi::consts::futex as f;
use retake_abi::consts::wait::WNOHANG;
use retake_abi::nr;
use retake_model::{Addr, Backing, SharedId};
use retake_ptrace::TaskStat;

use super::limits::AtDeadlock;
use crate::ending::state::Ending;
use crate::session::Session;
use crate::tasks::{OpenCall, Run, Task};
use crate::world::World;

/// fcntl(2): `F_SETOWN`, `F_SETOWN_EX` and `F_NOTIFY` ask for a signal when something happens to a file.
const SIGNALS_BY_FCNTL: [u64; 3] = [8, 15, 1026];

/// What a task waits for that only another task can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// A futex: FUTEX_WAKE.
    ForWake,
    /// The end of a child, or of the time for which vfork(2) lends memory.
    ForChild,
}

/// The wait that a call is, if only another task can end it.
fn waits(open: &OpenCall) -> Option<Waits> {
    let [_, second, third, fourth, ..] = open.args;
    match open.call.no {
        nr::FUTEX => {
            let command = second & f::FUTEX_CMD_MASK;
            let waiting =
                [f::FUTEX_WAIT, f::FUTEX_WAIT_BITSET, f::FUTEX_LOCK_PI, f::FUTEX_LOCK_PI2];
            let is_wait = waiting.contains(&command);
            (is_wait && fourth == 0).then_some(Waits::ForWake)
        }
        nr::WAIT4 if third & WNOHANG == 0 => Some(Waits::ForChild),
        nr::WAITID if fourth & WNOHANG == 0 => Some(Waits::ForChild),
        _ if open.waited_for_child() => Some(Waits::ForChild),
        _ => None,
    }
}

impl World {
    fn waits_for_others(&self, task: &Task) -> Option<Waits> {
        let open = task.open.as_ref()?;
        if !matches!(task.run, Run::Kernel) || task.dying || !task.held.is_empty() {
            return None;
        }
        let waits = waits(open)?;
        let private = open.args[1] & f::FUTEX_PRIVATE_FLAG != 0;
        let is_ours =
            waits == Waits::ForChild || private || self.only_tasks_see(task, open.args[0]);
        is_ours.then_some(waits)
    }

    /// Whether no process outside the recording maps this word.
    fn only_tasks_see(&self, task: &Task, word: u64) -> bool {
        let addr = Addr::new(word);
        let mapping = self.spaces.get(&task.space).and_then(|space| space.table.find(addr));
        match mapping.map(|mapping| mapping.backing) {
            Some(Backing::Anonymous | Backing::File { .. } | Backing::Private { .. }) => true,
            Some(Backing::Shared { shared, .. }) => self.is_without_a_name(shared),
            Some(Backing::Copied) | None => false,
        }
    }

    /// Whether a shared object is memory that processes get by fork(2) only. (The recorder makes it a
    /// memfd; one of the program's own could have been sent to a stranger, which nobody does with a lock.)
    fn is_without_a_name(&self, shared: SharedId) -> bool {
        let object = self.files.shared().find(|object| object.id == shared);
        let Some(file) = object.and_then(|object| object.file.as_ref()) else { return false };
        std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
            .is_ok_and(|name| name.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"))
    }
}

impl Ending {
    /// A call has completed: perhaps one that has a signal sent later, whoever waits then.
    pub(super) fn note_signal_source(&mut self, open: &OpenCall, result: i64) {
        let asks = match open.call.no {
            nr::ALARM | nr::SETITIMER | nr::TIMER_CREATE | nr::MQ_NOTIFY => true,
            nr::FCNTL => SIGNALS_BY_FCNTL.contains(&open.args[1]),
            _ => false,
        };
        self.signals_may_come |= asks && result >= 0;
    }
}

impl Session {
    /// Whether every task waits for another one, at least one of them for a futex, and nothing but a
    /// stranger's signal can ever wake one. To be asked while no task is being followed.
    pub(crate) fn is_deadlocked(&self) -> bool {
        let asked = self.ending.limits.at_deadlock == AtDeadlock::End;
        let undecided = self.status.is_some() || !self.world.early.is_empty();
        if !asked || undecided || self.ending.signals_may_come {
            return false;
        }
        let mut waits_for_wake = false;
        for task in self.world.tasks.values().filter(|task| !task.ended) {
            match self.world.waits_for_others(task) {
                Some(waits) => waits_for_wake |= waits == Waits::ForWake,
                None => return false,
            }
        }
        // A task that was woken a moment ago, and has not run since, does not sleep.
        waits_for_wake && self.world.tasks.values().all(|task| task.ended || is_asleep(task))
    }
}

/// Whether procfs shows a task as sleeping, so that a signal would wake it.
fn is_asleep(task: &Task) -> bool {
    TaskStat::read(task.tid).is_some_and(|stat| stat.is_in(&['S']))
}
