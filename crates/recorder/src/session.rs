//! The recording loop: which task runs, and what its stops mean.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use retake_model::{EventIndex, Registers, SpaceId, SyscallNo, TaskId, Tid};
use retake_ptrace::{
    PtraceStop, Resume, Running, StopEvent, Stopped, WaitFlags, wait, wait_any, yield_cpu,
};
use retake_recording::{Effect, EffectBuffer, EventKind, ExitStatus, RecordingWriter};

use crate::checkpoints::Schedule;
use crate::echo::Echo;
use crate::error::RecordError;
use crate::files::Files;
use crate::task::{Run, Space, Task};

/// How long a task may keep the CPU while others could run; it is taken away at a system call.
const SLICE: Duration = Duration::from_millis(3);
/// How often a task in a call that may wait is given the CPU before another one runs.
const YIELDS: usize = 2;

/// Everything that is being recorded.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) writer: RecordingWriter,
    pub(crate) tasks: BTreeMap<Tid, Task>,
    pub(crate) spaces: BTreeMap<SpaceId, Space>,
    pub(crate) files: Files,
    pub(crate) echo: Echo,
    pub(crate) effects: EffectBuffer,
    pub(crate) schedule: Schedule,
    pub(crate) root: Tid,
    pub(crate) status: Option<ExitStatus>,
    pub(crate) next_task: TaskId,
    pub(crate) next_space: SpaceId,
    /// New tasks whose first stop came before their parent's event.
    pub(crate) early: BTreeMap<Tid, Stopped>,
    /// The program's path as `execve` was given it, for the image.
    pub(crate) current: Option<Tid>,
    slice_start: Instant,
}

/// What comes next for a task whose stop was handled.
#[derive(Debug)]
pub(crate) enum Next {
    /// It can run user code.
    Ready(Stopped),
    /// It was resumed and stops again without waiting for anybody.
    Soon,
    /// It was resumed into a call that may wait for others.
    Waiting,
    /// It is gone.
    Gone,
}

/// A running task needs no handle of its own: the loop waits by its number.
pub(crate) fn resumed(_running: Running, next: Next) -> Next {
    next
}

impl Session {
    pub(crate) fn new(writer: RecordingWriter, root: Tid, interval: Duration) -> Self {
        Self {
            writer,
            tasks: BTreeMap::new(),
            spaces: BTreeMap::new(),
            files: Files::default(),
            echo: Echo::new(),
            effects: EffectBuffer::new(),
            schedule: Schedule::new(interval),
            root,
            status: None,
            next_task: TaskId::new(0),
            next_space: SpaceId::new(0),
            early: BTreeMap::new(),
            current: None,
            slice_start: Instant::now(),
        }
    }

    /// Runs until every task is gone.
    pub(crate) fn run(&mut self) -> Result<ExitStatus, RecordError> {
        while !self.tasks.is_empty() {
            self.collect()?;
            let Some(tid) = self.choose() else { continue };
            if self.schedule.is_due() {
                self.checkpoint(tid)?;
            }
            self.advance(tid)?;
        }
        Ok(self.status.unwrap_or(ExitStatus::Exited(0)))
    }

    /// Takes in what happened to tasks that were waiting in the kernel. Waits only if no task could
    /// run meanwhile.
    fn collect(&mut self) -> Result<(), RecordError> {
        let ready = self.tasks.values().any(|task| task.run.is_ready());
        let waiting = self.tasks.values().any(|task| matches!(task.run, Run::Kernel));
        if ready && (!waiting || !self.slice_is_over()) {
            return Ok(());
        }
        if ready {
            while let Some((tid, stop)) = wait_any(WaitFlags::Poll)? {
                self.take_in(tid, stop)?;
            }
            return Ok(());
        }
        self.schedule.pause();
        let stop = wait_any(WaitFlags::Block);
        self.schedule.resume();
        match stop {
            Ok(Some((tid, stop))) => self.take_in(tid, stop)?,
            Ok(None) => {}
            // Nothing left to wait for: whatever we still list has gone without a word.
            Err(error) if error.has_no_child() => self.tasks.clear(),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn slice_is_over(&self) -> bool {
        self.current.is_none_or(|tid| !self.tasks.get(&tid).is_some_and(|t| t.run.is_ready()))
            || self.slice_start.elapsed() >= SLICE
    }

    /// The task to run: the current one until its slice is over, then the next in turn.
    fn choose(&mut self) -> Option<Tid> {
        if let Some(tid) = self.current
            && self.tasks.get(&tid).is_some_and(|task| task.run.is_ready())
            && (self.tasks.len() == 1 || self.slice_start.elapsed() < SLICE)
        {
            return Some(tid);
        }
        let after = self.current.unwrap_or(Tid::new(0)).next();
        let ready = |(_, task): &(&Tid, &Task)| task.run.is_ready();
        let next = self.tasks.range(after..).find(ready);
        let tid = next.or_else(|| self.tasks.iter().find(ready)).map(|(tid, _)| *tid);
        self.slice_start = Instant::now();
        self.current = tid;
        tid
    }

    fn take_in(&mut self, tid: Tid, stop: PtraceStop) -> Result<(), RecordError> {
        if let PtraceStop::Stopped(stopped, StopEvent::Exec) = stop {
            let tid = self.settle_exec_identity(tid, &stopped)?;
            return self.follow(tid, Some(PtraceStop::Stopped(stopped, StopEvent::Exec)));
        }
        if !self.tasks.contains_key(&tid) {
            if let PtraceStop::Stopped(stopped, _) = stop {
                self.early.insert(tid, stopped);
            }
            return Ok(());
        }
        self.follow(tid, Some(stop))
    }

    /// Lets a ready task run until its next event is recorded.
    fn advance(&mut self, tid: Tid) -> Result<(), RecordError> {
        let Some(task) = self.tasks.get_mut(&tid) else { return Ok(()) };
        if let Run::Ready(stopped) = std::mem::replace(&mut task.run, Run::Away) {
            match stopped.resume(Resume::Continue, None) {
                Ok(_) => {}
                // Killed out of its stop: its end is reported next.
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.follow(tid, None)
    }

    /// Handles the stops of one task until it is ready, waits in the kernel, or is gone.
    fn follow(&mut self, tid: Tid, first: Option<PtraceStop>) -> Result<(), RecordError> {
        let Some(mut task) = self.tasks.remove(&tid) else { return Ok(()) };
        let mut stop = first;
        loop {
            let now = match stop.take() {
                Some(stop) => Some(stop),
                None => match wait(tid, WaitFlags::Block) {
                    Ok(stop) => stop,
                    Err(error) if error.has_no_child() => return Ok(()),
                    Err(error) => return Err(error.into()),
                },
            };
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
                None => Next::Soon,
            };
            match next {
                Next::Ready(stopped) => {
                    task.run = Run::Ready(stopped);
                    self.tasks.insert(tid, task);
                    return Ok(());
                }
                Next::Soon => {}
                Next::Waiting => {
                    stop = self.give_it_a_chance(tid)?;
                    if stop.is_none() {
                        self.record_entry(&mut task)?;
                        task.run = Run::Kernel;
                        self.tasks.insert(tid, task);
                        return Ok(());
                    }
                }
                Next::Gone => return Ok(()),
            }
        }
    }

    /// Most calls that may wait do not: let the task run, and look.
    fn give_it_a_chance(&mut self, tid: Tid) -> Result<Option<PtraceStop>, RecordError> {
        // (The task itself is not in the list while it is followed.)
        if self.tasks.is_empty() && self.early.is_empty() {
            self.schedule.pause();
            let stop = wait(tid, WaitFlags::Block);
            self.schedule.resume();
            return match stop {
                Err(error) if error.has_no_child() => Ok(None),
                other => Ok(other?),
            };
        }
        for _ in 0..YIELDS {
            yield_cpu();
            match wait(tid, WaitFlags::Poll) {
                Ok(Some(stop)) => return Ok(Some(stop)),
                Ok(None) => {}
                Err(error) if error.has_no_child() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The entry of a call that waits becomes an event of its own.
    pub(crate) fn record_entry(&mut self, task: &mut Task) -> Result<(), RecordError> {
        let Some(open) = task.open.as_mut() else { return Ok(()) };
        if open.entered {
            return Ok(());
        }
        open.entered = true;
        let (entry, no) = (open.entry, open.call.no);
        self.effects.clear();
        self.append(task, &EventKind::SyscallEnter { no }, &entry, &entry)
    }

    /// Records an event with the effects gathered so far.
    pub(crate) fn append(
        &mut self,
        task: &mut Task,
        kind: &EventKind,
        before: &Registers,
        after: &Registers,
    ) -> Result<(), RecordError> {
        self.writer.append(task.id, kind, before, after, &self.effects)?;
        self.effects.clear();
        task.registers = *after;
        self.schedule.count_event();
        Ok(())
    }

    /// Adds an effect to the next event.
    pub(crate) fn effect(&mut self, effect: &Effect) {
        self.effects.push(effect);
    }

    /// How many events there are so far.
    pub(crate) fn event_count(&self) -> EventIndex {
        self.writer.event_count()
    }

    fn handle(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        event: StopEvent,
    ) -> Result<Next, RecordError> {
        match event {
            StopEvent::Seccomp => self.call_entered(task, stopped),
            StopEvent::Syscall => self.call_completed(task, stopped),
            StopEvent::Cloned => self.task_created(task, stopped),
            StopEvent::Exec => Ok(resumed(stopped.resume(Resume::Syscall, None)?, Next::Soon)),
            StopEvent::VforkDone => {
                Ok(resumed(stopped.resume(Resume::Syscall, None)?, Next::Soon))
            }
            StopEvent::Exit => self.task_ends(task, stopped),
            StopEvent::Signal(signal) => self.signal_arrived(task, stopped, signal),
            StopEvent::Stop(signal) => self.group_stop(task, stopped, signal),
        }
    }

    /// Tasks other than `task` that can see the memory of `space`.
    pub(crate) fn shares_memory(&self, task: &Task) -> bool {
        self.tasks.values().any(|other| other.space == task.space && other.id != task.id)
    }

    /// The address space of a task.
    ///
    /// # Errors
    /// Never for a task that is listed; a missing space is a bug that ends the recording.
    pub(crate) fn space(&mut self, space: SpaceId) -> Result<&mut Space, RecordError> {
        self.spaces
            .get_mut(&space)
            .ok_or_else(|| RecordError::Unsupported(format!("address space {space} is not known")))
    }
}

/// The number of the call that a task stopped at.
pub(crate) fn call_number(registers: &Registers) -> SyscallNo {
    SyscallNo::new(u32::try_from(registers.orig_rax).unwrap_or(u32::MAX))
}
