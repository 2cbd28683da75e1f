//! Traced tasks that make others, execute programs, and end.

use retake_model::{Signal, Tid};
use retake_ptrace::Stopped;
use retake_recording::ExitStatus;

use super::told::{self, Event, Why};
use super::{Kind, Mode, Resumption, Standing, Stop, Traced};
use crate::next::Next;
use crate::tasks::Task;
use crate::tasks::new_task::NewTask;
use crate::world::World;

impl NewTask {
    /// What its maker's tracer is told (kernel/fork.c, `kernel_clone`).
    fn event(&self) -> Event {
        if self.is_waited_for() {
            Event::Vfork
        } else if self.tells_by_sigchld() {
            Event::Fork
        } else {
            Event::Clone
        }
    }
}

impl World {
    /// A task was made: it is traced as its maker is, if the tracer has asked for that, and stands before its first
    /// instruction.
    pub(crate) fn trace_new_task(&mut self, maker: &Task, child: &mut Task, new: &NewTask) {
        let Some(traced) = &maker.traced else { return };
        if !traced.wants(new.event().option()) && !new.is_traced_as_its_maker() {
            return;
        }
        let why = match traced.kind {
            Kind::Attached => Why::Attached,
            Kind::Seized => Why::Interrupted,
        };
        let (by, kind, options) = (traced.by, traced.kind, traced.options);
        child.traced = Some(Traced::new(by, kind, options, Stop::Unreported(why)));
        child.resumes = Some(Resumption::at(Standing::Event));
        self.tell_tracer(by, child.tid);
    }

    /// The maker's tracer is told of it at the end of the call.
    pub(crate) fn tell_of_new_task(&mut self, maker: &mut Task, new: &NewTask, child: Tid) {
        let event = new.event();
        let wants = |traced: &&mut Traced| traced.wants(event.option());
        if let Some(traced) = maker.traced.as_mut().filter(wants) {
            traced.due.push_back(Why::Event(event, message(child)));
        }
    }

    /// The maker waits for it in the call: whether the tracer is told of it now.
    pub(crate) fn stops_in_vfork(&mut self, maker: &mut Task, new: &NewTask, child: Tid) -> bool {
        self.tell_of_new_task(maker, new, child);
        self.stop_in_call(maker)
    }

    /// The task that it waited for has left its memory.
    pub(crate) fn stops_after_vfork(&mut self, maker: &mut Task, child: u64) -> bool {
        let event = Event::VforkDone;
        let wants = |traced: &&mut Traced| traced.wants(event.option());
        if let Some(traced) = maker.traced.as_mut().filter(wants) {
            traced.due.push_back(Why::Event(event, child));
        }
        self.stop_in_call(maker)
    }

    fn stop_in_call(&mut self, task: &mut Task) -> bool {
        let due = task.traced.as_mut().and_then(|traced| traced.due.pop_front());
        let Some(why) = due else { return false };
        self.begin_stop(task, why, Standing::InCall);
        true
    }

    /// A task is at its end: whether its tracer is told of that first.
    pub(crate) fn stops_at_end(
        &mut self,
        task: &mut Task,
        status: u64,
        stopped: Stopped,
    ) -> Result<Next, Stopped> {
        let by_kill = status & 0x7f == u64::from(Signal::KILL.number().unsigned_abs());
        let Some(traced) = &mut task.traced else { return Err(stopped) };
        traced.stop = Stop::Runs;
        traced.mode = Mode::Continues;
        traced.due.clear();
        traced.call = None;
        let tells = traced.wants(Event::Exit.option()) && !traced.end_told && !by_kill;
        traced.end_told = true;
        if !tells {
            return Err(stopped);
        }
        self.begin_stop(task, Why::Event(Event::Exit, status), Standing::End);
        Ok(Next::Ready(stopped))
    }

    /// A task has ended. Its parent learns that from the kernel; a tracer that is somebody else does so here.
    pub(crate) fn tell_of_end(&mut self, task: &mut Task, status: ExitStatus) {
        task.resumes = None;
        let Some(traced) = task.traced.take() else { return };
        if super::waits::is_child_of(task.tid, traced.by.pid) {
            return;
        }
        let word = match status {
            ExitStatus::Exited(code) => u32::from(code) << 8,
            ExitStatus::Killed(signal) => signal.number().cast_unsigned(),
        };
        self.traced_ends.add(traced.by, task.tid, word);
        self.tell_tracer(traced.by, task.tid);
    }
}

impl Task {
    /// A program was executed. (The event's message is the number that the task had before.)
    pub(crate) fn tell_of_program(&mut self) {
        let former = message(self.tid);
        let Some(traced) = &mut self.traced else { return };
        traced.steps = None;
        (traced.debug, traced.watches) = (super::debug_registers::DebugRegisters::default(), false);
        if traced.wants(Event::Exec.option()) {
            traced.due.push_back(Why::Event(Event::Exec, former));
        } else if traced.kind == Kind::Attached {
            let trap = told::sent_by(Signal::TRAP, self.pid);
            traced.due.push_back(Why::Signal(trap));
        }
    }
}

fn message(child: Tid) -> u64 {
    u64::from(child.get().cast_unsigned())
}
