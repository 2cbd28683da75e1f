//! The recording loop: which task runs, and what its stops mean.

use std::time::Duration;

use retake_model::{Signal, Tid};
use retake_ptrace::{PtraceStop, Resume, StopEvent, Stopped, WaitFlags, monotonic, wait};
use retake_recording::ExitStatus;

use crate::checkpoints::schedule::Due;
use crate::error::RecordError;
use crate::fast::AtEnd;
use crate::next::{Next, resumed};
use crate::places::leaving::Left;
use crate::scheduler::{Decision, Soon, TICK, WAITS_AFTER};
use crate::session::Session;
use crate::tasks::{Run, Task};
use crate::tracing::onward::Onward;
use crate::turns::AGAIN;
use crate::turns::sleepers::Silence;

impl Session {
    /// Runs until every task is gone, or the recording ends.
    pub(crate) fn run(&mut self) -> Result<ExitStatus, RecordError> {
        self.turns.tick_every(TICK);
        while !self.world.tasks.is_empty() && !self.is_over()? {
            self.collect()?;
            let Some(tid) = self.choose() else { continue };
            match self.book.schedule.due() {
                Due::No => {}
                Due::Soon => self.world.prepare_checkpoint(&mut self.book),
                Due::Now => self.checkpoint(tid)?,
            }
            self.advance(tid)?;
        }
        Ok(self.status.unwrap_or(ExitStatus::Exited(0)))
    }

    /// The task to run.
    fn choose(&mut self) -> Option<Tid> {
        let before = self.turns.scheduler.current();
        if let Some(tid) = before
            && self.world.tasks.len() == 1
            && self.world.is_ready(tid)
            && !self.turns.scheduler.turn_is_over()
        {
            // There is nothing to decide, and each look at the clock is a system call.
            return Some(tid);
        }
        if self.world.somebody_waits() {
            self.world.wake_those_that_waited();
        }
        self.turns.candidates.clear();
        let ready = self.world.tasks.values().filter(|task| task.can_run());
        self.turns.candidates.extend(ready.map(Task::candidate));
        let now = monotonic();
        let ran = self.turns.scheduler.ran(now);
        let tid = match self.turns.scheduler.next(now, &self.turns.candidates) {
            Decision::GoesOn(tid) => {
                self.look_at_fast_calls(tid, now);
                return Some(tid);
            }
            Decision::Begins(tid) => Some(tid),
            Decision::Nobody => None,
        };
        if let Some(task) = before.and_then(|before| self.world.tasks.get_mut(&before)) {
            task.turn_ended(ran, now);
        }
        self.turns.quiet_since = (self.book.event_count(), now);
        if self.turns.candidates.len() > 1
            && let Some(ticker) = &self.turns.ticker
        {
            ticker.first_then(self.turns.scheduler.next_look(now), AGAIN);
        }
        tid
    }

    /// Others could run from now on, and the task that goes on may make no event for long: its calls without a stop
    /// are looked at soon.
    fn look_at_fast_calls(&self, tid: Tid, now: Duration) {
        let makes_them = self.world.tasks.get(&tid).is_some_and(|task| task.makes_fast_calls(now));
        if makes_them
            && self.turns.candidates.len() > 1
            && let Some(ticker) = &self.turns.ticker
        {
            ticker.first_then(WAITS_AFTER, AGAIN);
        }
    }

    /// Lets a ready task run until its turn ends, which is soon.
    fn advance_a_little(
        &mut self,
        mut task: Task,
        stopped: Stopped,
        soon: Soon,
    ) -> Result<(), RecordError> {
        match self.leave_soon(&mut task, stopped, soon) {
            Ok(Left::There(next @ Next::Ready(_))) => self.follow_from(task, next),
            Ok(Left::There(Next::Gone)) => Ok(()),
            Ok(Left::There(Next::Soon | Next::Waiting)) => self.follow(task, None),
            Ok(Left::Stop(stop)) => self.follow(task, Some(stop)),
            // Killed: its end is reported next.
            Err(error) if error.is_gone() => self.follow(task, None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn take_in(&mut self, tid: Tid, stop: PtraceStop) -> Result<(), RecordError> {
        let Some(stop) = self.copies.take_in(tid, stop) else { return Ok(()) };
        if let PtraceStop::Stopped(stopped, StopEvent::Exec) = &stop {
            let leader = self.world.tasks.remove(&tid);
            if let Some(task) = self.settle_exec_identity(tid, stopped, leader)? {
                self.world.tasks.insert(tid, task);
            }
        }
        let Some(task) = self.world.tasks.remove(&tid) else {
            if let PtraceStop::Stopped(stopped, _) = stop {
                self.world.early.insert(tid, stopped);
            }
            return Ok(());
        };
        self.follow(task, Some(stop))?;
        if let Some(task) = self.world.tasks.get_mut(&tid) {
            task.since = monotonic();
        }
        Ok(())
    }

    /// Lets a ready task run until its next event is recorded.
    fn advance(&mut self, tid: Tid) -> Result<(), RecordError> {
        let Some(mut task) = self.world.tasks.remove(&tid) else {
            return Ok(());
        };
        if let Run::Ready(stopped) = std::mem::replace(&mut task.run, Run::Away) {
            task.goes_on();
            let mut stopped = match self.go_on_for_tracer(&mut task, stopped) {
                Ok(Onward::AsEver(stopped)) => stopped,
                Ok(Onward::To(next)) => return self.follow_from(task, next),
                Err(error) if error.is_gone() => return self.follow(task, None),
                Err(error) => return Err(error),
            };
            if let Some(update) = task.update.take()
                && let Some(event) =
                    self.world.end_update(&mut self.book, &mut task, &mut stopped, &update)?
            {
                return self.follow(task, Some(PtraceStop::Stopped(stopped, event)));
            }
            task.watch_for_tracer(&mut stopped)?;
            let is_its_tracers = task.is_watched_by_tracer();
            let watches = !task.waited_at.is_empty() || self.world.somebody_waits();
            if !watches
                && !is_its_tracers
                && !task.is_armed()
                && self.turns.scheduler.chaos().is_some()
                && self.world.tasks.values().any(|other| other.can_run())
            {
                let now = monotonic();
                if let Some(soon) = self.turns.scheduler.ends_soon(now, task.candidate()) {
                    return self.advance_a_little(task, stopped, soon);
                }
                if let (Some(ticker), Some(rest)) =
                    (&self.turns.ticker, self.turns.scheduler.rest_at_random(now))
                {
                    ticker.first_then(rest, AGAIN);
                }
            }
            let armed = match (task.is_armed() || watches) && !is_its_tracers {
                true => self.world.watch_for_others(&mut task, &mut stopped),
                false => Ok(()),
            };
            if task.is_watched_for_waits() {
                self.turns.scheduler.is_watched();
            }
            match armed.and_then(|()| stopped.resume(Resume::Continue, None)) {
                Ok(_) => {}
                // Killed out of its stop: its end is reported next.
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.follow(task, None)
    }

    /// Handles the stops of one task until it is ready, waits in the kernel, or is gone.
    fn follow(&mut self, mut task: Task, first: Option<PtraceStop>) -> Result<(), RecordError> {
        let tid = task.tid;
        let mut stop = first;
        let mut silence = Silence::default();
        loop {
            let now = match stop.take() {
                Some(stop) => Some(stop),
                None => match wait(tid, WaitFlags::Interruptible) {
                    Ok(stop) => stop,
                    Err(error) if error.has_no_child() => return self.vanished(task),
                    Err(error) if error.is_gone() => {
                        self.record_unseen_end(&mut task, ExitStatus::Killed(Signal::KILL))?;
                        task.run = Run::Kernel;
                        self.world.tasks.insert(tid, task);
                        return Ok(());
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            if let Some(PtraceStop::Stopped(stopped, StopEvent::Exec)) = &now {
                match self.settle_exec_identity(tid, stopped, Some(task))? {
                    Some(settled) => task = settled,
                    None => return Ok(()),
                }
            }
            if now.is_some() {
                silence = Silence::default();
            }
            let next = match now {
                Some(PtraceStop::Stopped(stopped, event)) => {
                    match self.handle(&mut task, stopped, event) {
                        Err(error) if error.is_gone() => Next::Soon,
                        other => other?,
                    }
                }
                Some(PtraceStop::Exited { code }) => {
                    self.reaped(&mut task, ExitStatus::Exited(code))?;
                    Next::Gone
                }
                Some(PtraceStop::Killed { signal, .. }) => {
                    self.reaped(&mut task, ExitStatus::Killed(signal))?;
                    Next::Gone
                }
                None => {
                    let Some(same) = self.should_go_on(task) else { return Ok(()) };
                    task = same;
                    self.tick(&mut task)?;
                    if self.world.falls_asleep(&mut self.book, &mut task, &mut silence)? {
                        task.run = Run::Kernel;
                        self.world.tasks.insert(tid, task);
                        return Ok(());
                    }
                    continue;
                }
            };
            match self.come_to(task, next)? {
                Some((same, next_stop)) => (task, stop) = (same, next_stop),
                None => return Ok(()),
            }
        }
    }

    /// The same for a task whose stop was handled already.
    fn follow_from(&mut self, task: Task, next: Next) -> Result<(), RecordError> {
        match self.come_to(task, next)? {
            Some((task, stop)) => self.follow(task, stop),
            None => Ok(()),
        }
    }

    /// What comes next for a task. Gives it back where more stops of its are to be handled, with the next one if it
    /// has come.
    fn come_to(
        &mut self,
        mut task: Task,
        next: Next,
    ) -> Result<Option<(Task, Option<PtraceStop>)>, RecordError> {
        let tid = task.tid;
        match next {
            Next::Ready(stopped) => {
                self.world.stop_for_tracer(&mut task);
                task.run = Run::Ready(stopped);
                self.world.tasks.insert(tid, task);
            }
            Next::Soon => return Ok(Some((task, None))),
            Next::Waiting => {
                let stop = self.give_it_a_chance(&task)?;
                if stop.is_some() {
                    return Ok(Some((task, stop)));
                }
                self.book.record_entry(&mut task)?;
                task.run = Run::Kernel;
                self.world.tasks.insert(tid, task);
            }
            Next::Gone => {}
        }
        Ok(None)
    }

    /// A task that is not there any more under its number has ended (it was killed in the middle of
    /// an operation on it), or executes a program and has become the leader of its process: then it
    /// stops with that number.
    fn vanished(&mut self, mut task: Task) -> Result<(), RecordError> {
        if task.open.as_ref().is_some_and(crate::tasks::OpenCall::replaces_memory) {
            task.run = Run::Kernel;
            self.world.tasks.insert(task.tid, task);
            return Ok(());
        }
        let status = ExitStatus::Killed(Signal::KILL);
        self.reaped(&mut task, status)
    }

    pub(crate) fn handle(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        event: StopEvent,
    ) -> Result<Next, RecordError> {
        let event = task.stop_of_call(&mut stopped, event)?;
        task.show_hidden(&mut stopped)?;
        task.stopped = None;
        self.note_job_state(task, event);
        self.take_fast_calls_at(task, &stopped, event)?;
        self.world.leave_to_stub(&mut self.book, task, &mut stopped, event)?;
        if let StopEvent::Stop(signal) = event
            && task.open.is_none()
            && (signal != Signal::TRAP || task.asked_to_stop)
            && let Some(end) = task.end_of_fast_code(stopped.registers()?.pc())
        {
            let at_end = if signal == Signal::TRAP { AtEnd::Asked } else { AtEnd::Again };
            return self.leave_fast_code(task, stopped, at_end, end);
        }
        match event {
            StopEvent::Seccomp => self.call_entered(task, stopped),
            StopEvent::Syscall if task.open.is_none() && task.to_next_call.is_some() => {
                self.came_to_fast_call(task, stopped)
            }
            StopEvent::Syscall => self.call_completed(task, stopped),
            StopEvent::Cloned => self.task_created(task, stopped),
            StopEvent::Exec => Ok(resumed(stopped.resume(Resume::Syscall, None)?, Next::Soon)),
            StopEvent::VforkDone => self.world.vfork_done(task, stopped),
            StopEvent::Exit => self.task_ends(task, stopped),
            StopEvent::Signal(signal) => self.signal_arrived(task, stopped, signal),
            StopEvent::Stop(retake_model::Signal::TRAP)
                if task.asked_to_stop && task.open.is_none() =>
            {
                self.stopped_as_asked(task, stopped)
            }
            StopEvent::Stop(signal) => self.world.group_stop(&mut self.book, task, stopped, signal),
        }
    }
}
