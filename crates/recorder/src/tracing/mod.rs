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
mod looking;
mod onward;
mod requests;
mod stops;
mod tasks;
mod told;
mod waits;

use std::collections::VecDeque;

use retake_model::{SigInfo, TaskId, Tid};

pub(crate) use onward::Onward;
pub(crate) use waits::{Ends, wait_for_any_signal};

use crate::tasks::Task;
use crate::world::World;
use told::Why;

/// That a task is traced by another one of the recording.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    by: Tracer,
    kind: Kind,
    /// `PTRACE_SETOPTIONS`.
    options: u64,
    /// How the tracer has let it go on last.
    mode: Mode,
    stop: Stop,
    /// Its stops at calls are marked (`PTRACE_O_TRACESYSGOOD` when it stopped).
    marks_calls: bool,
    /// Stops that follow before it runs on.
    due: VecDeque<Why>,
    /// The call whose entry the tracer was told of.
    call: Option<u64>,
    /// That call is not made (`PTRACE_SYSEMU` before its entry).
    emulates: bool,
    /// Its debug registers.
    debug: debug::DebugRegisters,
    /// The processor has them.
    watches: bool,
    /// A step of its is to end when the call ends that it has entered.
    steps: bool,
    /// It waits for the end of a group-stop (`PTRACE_LISTEN`).
    listens: bool,
    /// Its end was told (`PTRACE_O_TRACEEXIT`).
    end_told: bool,
    /// What `PTRACE_GETEVENTMSG` gives.
    message: u64,
    /// The signal that it gets now was chosen by the tracer.
    decided: bool,
}

/// Who traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tracer {
    task: TaskId,
    pid: Tid,
}

/// How a task is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `PTRACE_ATTACH`, `PTRACE_TRACEME`: it stops by signals.
    Attached,
    /// `PTRACE_SEIZE`: it stops when it is interrupted.
    Seized,
}

/// How far a task is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// To the next signal or event.
    Continues,
    /// Also to the next entry or end of a call.
    Calls,
    /// Also to the next call, which is not made.
    EmulatesCalls,
    /// One instruction.
    Steps,
    /// The same; a call is not made.
    EmulatesSteps,
}

impl Mode {
    fn stops_at_calls(self) -> bool {
        matches!(self, Self::Calls | Self::EmulatesCalls | Self::EmulatesSteps)
    }

    fn emulates(self) -> bool {
        matches!(self, Self::EmulatesCalls | Self::EmulatesSteps)
    }

    fn steps(self) -> bool {
        matches!(self, Self::Steps | Self::EmulatesSteps)
    }
}

/// Whether it is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    Runs,
    /// It is, and the tracer has not waited for that yet.
    Unreported(Why),
    Reported(Why),
}

/// Where a task stands that a tracer has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// At an event, on the way to its own code.
    Event,
    /// At the entry of a call, which is an event.
    CallEntry,
    /// In a call.
    InCall,
    /// At its exit stop.
    End,
}

/// How a task goes on that a tracer has stopped.
#[derive(Clone, Debug)]
pub(crate) struct Resumption {
    standing: Standing,
    /// It gets this signal first.
    signal: Option<SigInfo>,
}

impl Resumption {
    const fn at(standing: Standing) -> Self {
        Self { standing, signal: None }
    }
}

/// The number of a task, as an argument of a call.
#[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
fn number_in(argument: u64) -> Tid {
    Tid::new((argument as u32).cast_signed())
}

impl Traced {
    fn new(by: Tracer, kind: Kind, options: u64, stop: Stop) -> Self {
        Self {
            by,
            kind,
            options,
            mode: Mode::Continues,
            stop,
            marks_calls: false,
            due: VecDeque::new(),
            call: None,
            emulates: false,
            debug: debug::DebugRegisters::default(),
            watches: false,
            steps: false,
            listens: false,
            end_told: false,
            message: 0,
            decided: false,
        }
    }

    /// The process that traces.
    pub(crate) fn tracer(&self) -> Tid {
        self.by.pid
    }

    fn is_stopped(&self) -> bool {
        self.stop != Stop::Runs
    }

    /// Why it is stopped.
    fn why(&self) -> Option<&Why> {
        match &self.stop {
            Stop::Runs => None,
            Stop::Unreported(why) | Stop::Reported(why) => Some(why),
        }
    }

    fn wants(&self, option: u64) -> bool {
        self.options & option != 0
    }
}

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
