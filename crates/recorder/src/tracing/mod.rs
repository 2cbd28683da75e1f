//! Tracers inside the recording (ptrace(2)).
//!
//! A task has one tracer, and that is the recorder: what the program asks of ptrace(2) is done here. A task that
//! the program has stopped does not run until it is let go: it stands at an event, or in the call that it waits in.
//!
//! In replay nobody traces anybody. What a tracer writes to memory is an effect of its call. What it does to
//! registers is an event of the traced task (`Preempt`, at the place of the event before), and so is the end of each
//! single step (`Preempt`, in the middle of code). A signal that is told to the tracer is an event without an effect
//! (`Delivery::Ignored`); if it is then delivered, that is another one at the same place. The entry of a call that is
//! told is an event of its own.

mod changing;
mod debug;
pub(crate) mod debug_registers;
pub(crate) mod ends;
mod looking;
pub(crate) mod onward;
mod requests;
pub(crate) mod state;
mod stops;
mod tasks;
mod told;
pub(crate) mod waits;

use retake_model::TaskId;

use crate::tasks::Task;
use crate::tracing::state::{Kind, Mode, Resumption, Standing, Stop, Traced, Tracer, number_in};
use crate::world::World;

impl Task {
    /// Whether it may be given the CPU.
    pub(crate) fn can_run(&self) -> bool {
        self.run.is_ready() && !self.is_stopped_by_tracer()
    }

    /// Whether a tracer has stopped it.
    pub(crate) fn is_stopped_by_tracer(&self) -> bool {
        self.traced.as_ref().is_some_and(Traced::is_stopped)
    }

    /// Whether a signal goes to its tracer first.
    pub(crate) fn asks_tracer(&self) -> bool {
        self.traced.as_ref().is_some_and(|traced| !traced.decided)
    }

    /// Whether it can be made to make a call for the recorder: it stands at no call and at no end.
    pub(crate) fn can_make_calls(&self) -> bool {
        self.resumes.as_ref().is_none_or(|resumes| resumes.standing == Standing::Event)
    }
}

impl World {
    /// A task has ended: those that it traced go on, or end as well.
    pub(crate) fn release_traced_by(&mut self, tracer: TaskId) {
        let is_its = |traced: &Traced| traced.by.task == tracer;
        for task in self.tasks.values_mut() {
            if let Some(traced) = task.traced.take_if(|traced| is_its(traced))
                && traced.wants(told::EXITKILL)
            {
                retake_ptrace::kill_process(task.pid);
            }
        }
        self.traced_ends.forget(tracer);
    }
}
