//! Waiting for what happens to tasks: to those in the kernel while another one runs, to one that is in a call, to
//! any of them while none can run.

use std::time::Duration;

use retake_model::Tid;
use retake_ptrace::{
    PtraceError, PtraceStop, TaskStat, WaitFlags, monotonic, wait, wait_any, yield_cpu,
};

use crate::ending::AtDeadlock;
use crate::error::RecordError;
use crate::scheduler::TICK;
use crate::session::Session;
use crate::tasks::{Run, Task};
use crate::turns::Turns;
use crate::world::World;

/// How often those that wait in the kernel are looked at while another task runs.
const POLL: Duration = Duration::from_micros(100);
/// How often a task in a call that may wait is given the CPU before another one runs.
const YIELDS: usize = 2;
/// For so long one may write to the recording's output before others run. On a busy machine it waits for the CPU.
const WRITES_FOR: Duration = Duration::from_millis(50);

impl World {
    /// The next stop of any task. When there is none left to wait for, whatever is still listed has
    /// gone without a word.
    fn next_stop(&mut self, flags: WaitFlags) -> Result<Option<(Tid, PtraceStop)>, RecordError> {
        match wait_any(flags) {
            Err(error) if error.has_no_child() => {
                self.tasks.clear();
                Ok(None)
            }
            other => Ok(other?),
        }
    }
}

/// Lets others have the CPU, and gives the stop that a task has come to by then.
fn stop_after_yield(tid: Tid) -> Result<Option<PtraceStop>, RecordError> {
    yield_cpu();
    match wait(tid, WaitFlags::Poll) {
        Err(error) if error.has_no_child() => Ok(None),
        other => Ok(other?),
    }
}

/// Whether a task does not sleep.
fn wants_cpu(tid: Tid) -> bool {
    TaskStat::read(tid).is_some_and(|stat| stat.is_in(&['R']))
}

impl Turns {
    pub(crate) fn tick_every(&self, period: Duration) {
        if let Some(ticker) = &self.ticker {
            ticker.every(period);
        }
    }
}

impl Session {
    /// Takes in what happened to tasks that were waiting in the kernel. Waits only if no task could
    /// run meanwhile.
    pub(crate) fn collect(&mut self) -> Result<(), RecordError> {
        let ready = self.world.tasks.values().any(|task| task.can_run());
        if ready {
            // (What a tracer has stopped can be killed.)
            let waits =
                |task: &Task| matches!(task.run, Run::Kernel) || task.is_stopped_by_tracer();
            let waiting = self.world.tasks.values().any(waits);
            return if waiting { self.poll() } else { Ok(()) };
        }
        self.book.schedule.pause();
        self.turns.tick_every(self.ending.idle_tick());
        let stop = self.world.next_stop(WaitFlags::Interruptible);
        self.turns.tick_every(TICK);
        self.book.schedule.resume();
        match stop? {
            Some((tid, stop)) => self.take_in(tid, stop)?,
            None => self.look_for_deadlock(),
        }
        Ok(())
    }

    /// Takes in what happened to tasks in the kernel while another one runs.
    fn poll(&mut self) -> Result<(), RecordError> {
        let woke = std::mem::take(&mut self.turns.woke_somebody);
        let can_go_on = self.turns.scheduler.current().is_some_and(|tid| self.world.is_ready(tid));
        let now = monotonic();
        if can_go_on && !woke && now.saturating_sub(self.turns.polled) < POLL {
            return Ok(());
        }
        self.turns.polled = now;
        if woke {
            // It has to come out of the kernel first.
            yield_cpu();
        }
        while let Some((tid, stop)) = self.world.next_stop(WaitFlags::Poll)? {
            self.take_in(tid, stop)?;
            if woke
                && self.turns.scheduler.once_in(2)
                && let Some(task) = self.world.tasks.get_mut(&tid)
                && task.can_run()
            {
                task.woken = true;
            }
        }
        Ok(())
    }

    /// Most calls that may wait do not: let the task run, and look. What is written to the recording's output is shown
    /// when the call's end is seen: others, whose calls may be made without a stop, do not run before that unless the
    /// task sleeps.
    pub(crate) fn give_it_a_chance(
        &mut self,
        task: &Task,
    ) -> Result<Option<PtraceStop>, RecordError> {
        let tid = task.tid;
        // (The task itself is not in the list while it is followed.)
        if self.world.tasks.is_empty() && self.world.early.is_empty() {
            self.book.schedule.pause();
            let stop = self.wait_alone(tid);
            self.book.schedule.resume();
            return match stop {
                Err(error) if error.has_no_child() => Ok(None),
                other => Ok(other?),
            };
        }
        for _ in 0..YIELDS {
            if let Some(stop) = stop_after_yield(tid)? {
                return Ok(Some(stop));
            }
        }
        if !self.world.writes_output(task) {
            return Ok(None);
        }
        let since = monotonic();
        while wants_cpu(tid) && monotonic().saturating_sub(since) < WRITES_FOR {
            if let Some(stop) = stop_after_yield(tid)? {
                return Ok(Some(stop));
            }
        }
        Ok(None)
    }

    /// Waits for the only task, looking seldom once that takes longer.
    fn wait_alone(&mut self, tid: Tid) -> Result<Option<PtraceStop>, PtraceError> {
        let first = wait(tid, WaitFlags::Interruptible);
        if !matches!(first, Ok(None)) {
            return first;
        }
        if self.ending.limits.at_deadlock == AtDeadlock::End {
            // That is looked for among tasks whose wait is recorded.
            return Ok(None);
        }
        self.turns.tick_every(crate::turns::IDLE_TICK);
        let stop = loop {
            if self.should_end() || self.status.is_some() {
                break Ok(None);
            }
            let stop = wait(tid, WaitFlags::Interruptible);
            if !matches!(stop, Ok(None)) {
                break stop;
            }
        };
        self.turns.tick_every(TICK);
        stop
    }
}
