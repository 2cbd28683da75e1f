//! Tracers inside the recording (ptrace(2)).
//!
//! A task has one tracer, and that is the recorder: what the program asks of ptrace(2) is done here. A task that
//! the program has stopped does not run until it is let go: it stands where its turn has ended, or in the call that
//! it waits in. In replay nobody traces anybody: the answers are effects of the calls.
//!
//! What there is serves who looks: attach or seize, interrupt, read registers and memory, let go (LeakSanitizer,
//! stack dumpers). Everything else is refused, with a word in the recording: other stops (signals, calls, steps,
//! `PTRACE_TRACEME`), and all that changes a traced task.

mod requests;
mod waits;

use retake_model::{Signal, TaskId, Tid};

use crate::session::Session;
use crate::task::Task;

/// That a task is traced by another one of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traced {
    by: TaskId,
    kind: Kind,
    stop: Stop,
}

/// How it is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `PTRACE_ATTACH`: it stops by SIGSTOP.
    Attached,
    /// `PTRACE_SEIZE`: it stops when it is interrupted.
    Seized,
}

/// Whether it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Runs,
    /// It is, and the tracer has not waited for that yet.
    Unreported,
    Reported,
}

/// The number of a task, as an argument of a call.
#[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
fn number_in(argument: u64) -> Tid {
    Tid::new((argument as u32).cast_signed())
}

impl Traced {
    fn is_stopped(self) -> bool {
        self.stop != Stop::Runs
    }

    /// What wait4(2) says of its stop.
    fn status(self) -> u32 {
        const STOPPED: u32 = 0x7f;
        const PTRACE_EVENT_STOP: u32 = 128;
        match self.kind {
            Kind::Attached => Signal::STOP.number().cast_unsigned() << 8 | STOPPED,
            Kind::Seized => {
                PTRACE_EVENT_STOP << 16 | Signal::TRAP.number().cast_unsigned() << 8 | STOPPED
            }
        }
    }
}

impl Task {
    /// Whether it may be given the CPU.
    pub(crate) fn can_run(&self) -> bool {
        self.run.is_ready() && !self.traced.is_some_and(Traced::is_stopped)
    }
}

impl Session {
    /// A task has ended: those that it traced go on.
    pub(crate) fn release_traced_by(&mut self, tracer: TaskId) {
        for task in self.tasks.values_mut() {
            if task.traced.is_some_and(|traced| traced.by == tracer) {
                task.traced = None;
            }
        }
    }
}
