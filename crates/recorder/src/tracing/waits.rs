//! Waiting for the stops of traced tasks (wait4(2)).

use retake_abi::{Errno, nr};
use retake_model::{Addr, SyscallNo, Tid};

use super::{Stop, number_in};
use crate::calls::Answer;
use crate::session::Session;
use crate::task::Task;

/// `pid` of a wait for any child.
const ANYBODY: Tid = Tid::new(-1);
const WNOWAIT: u64 = 0x0100_0000;
/// `struct rusage`, in bytes.
const USAGE: usize = 144;

impl Session {
    /// Answers a wait for a task that the caller traces, if it is stopped and that was not told yet. All else
    /// the kernel knows.
    pub(crate) fn wait_for_traced(
        &mut self,
        task: &Task,
        no: SyscallNo,
        args: &[u64; 6],
    ) -> Option<Answer> {
        if no != nr::WAIT4 {
            return None;
        }
        let [pid, status, options, usage, ..] = *args;
        let wanted = number_in(pid);
        let stopped = self.tasks.values_mut().find(|other| {
            let is_stopped = other
                .traced
                .is_some_and(|traced| traced.by == task.id && traced.stop == Stop::Unreported);
            is_stopped && (wanted == ANYBODY || wanted == other.tid)
        })?;
        let traced = stopped.traced.as_mut()?;
        let (tid, word) = (stopped.tid, traced.status());
        if options & WNOWAIT == 0 {
            traced.stop = Stop::Reported;
        }
        self.effects.clear();
        let told = [(status, word.to_le_bytes().as_slice()), (usage, &[0; USAGE])]
            .into_iter()
            .filter(|(to, _)| *to != 0)
            .all(|(to, bytes)| self.give(task, Addr::new(to), bytes));
        let result = if told { tid.get().into() } else { Errno::EFAULT.to_result() };
        Some(Answer::Now(result))
    }
}
