//! How a task is traced by another one of the recording.

use std::collections::VecDeque;

use retake_abi::nr;
use retake_model::{Registers, SigInfo, TaskId, Tid};
use retake_ptrace::Stopped;

use super::debug_registers::DebugRegisters;
use super::told::{Step, Why};
use crate::error::RecordError;

/// That a task is traced by another one of the recording.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    pub(super) by: Tracer,
    pub(super) kind: Kind,
    /// `PTRACE_SETOPTIONS`.
    pub(super) options: u64,
    /// How the tracer has let it go on last.
    pub(super) mode: Mode,
    pub(super) stop: Stop,
    /// Its stops at calls are marked (`PTRACE_O_TRACESYSGOOD` when it stopped).
    pub(super) marks_calls: bool,
    /// Stops that follow before it runs on.
    pub(super) due: VecDeque<Why>,
    /// The call whose entry the tracer was told of.
    pub(super) call: Option<u64>,
    /// That call is not made (`PTRACE_SYSEMU` before its entry).
    pub(super) emulates: bool,
    /// Its debug registers.
    pub(super) debug: DebugRegisters,
    /// The processor has them.
    pub(super) watches: bool,
    /// A step of its that ends at the next event.
    pub(super) steps: Option<Step>,
    /// It waits for the end of a group-stop (`PTRACE_LISTEN`).
    pub(super) listens: bool,
    /// Its end was told (`PTRACE_O_TRACEEXIT`).
    pub(super) end_told: bool,
    /// What `PTRACE_GETEVENTMSG` gives.
    pub(super) message: u64,
    /// The signal that it gets now was chosen by the tracer.
    pub(super) decided: bool,
}

/// Who traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tracer {
    pub(super) task: TaskId,
    pub(super) pid: Tid,
}

/// How a task is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `PTRACE_ATTACH`, `PTRACE_TRACEME`: it stops by signals.
    Attached,
    /// `PTRACE_SEIZE`: it stops when it is interrupted.
    Seized,
}

/// How far a task is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
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
    pub(super) fn stops_at_calls(self) -> bool {
        matches!(self, Self::Calls | Self::EmulatesCalls | Self::EmulatesSteps)
    }

    pub(super) fn emulates(self) -> bool {
        matches!(self, Self::EmulatesCalls | Self::EmulatesSteps)
    }

    pub(super) fn steps(self) -> bool {
        matches!(self, Self::Steps | Self::EmulatesSteps)
    }
}

/// Whether it is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Runs,
    /// It is, and the tracer has not waited for that yet.
    Unreported(Why),
    Reported(Why),
}

/// Where a task stands that a tracer has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// At an event, on the way to its own code.
    Event,
    /// At the entry of a call, which is an event.
    CallEntry,
    /// The same, and a filter has asked about that call.
    FilterAsked,
    /// In a call.
    InCall,
    /// At its exit stop.
    End,
}

/// How a task goes on that a tracer has stopped.
#[derive(Clone, Debug)]
pub(crate) struct Resumption {
    pub(super) standing: Standing,
    /// It gets this signal first.
    pub(super) signal: Option<SigInfo>,
}

impl Resumption {
    pub(super) const fn at(standing: Standing) -> Self {
        Self { standing, signal: None }
    }
}

/// The number of a task, as an argument of a call.
#[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
pub(super) fn number_in(argument: u64) -> Tid {
    Tid::new((argument as u32).cast_signed())
}

impl Traced {
    pub(super) fn new(by: Tracer, kind: Kind, options: u64, stop: Stop) -> Self {
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
            debug: DebugRegisters::default(),
            watches: false,
            steps: None,
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

    pub(super) fn is_stopped(&self) -> bool {
        self.stop != Stop::Runs
    }

    /// Why it is stopped.
    pub(super) fn why(&self) -> Option<&Why> {
        match &self.stop {
            Stop::Runs => None,
            Stop::Unreported(why) | Stop::Reported(why) => Some(why),
        }
    }

    pub(super) fn wants(&self, option: u64) -> bool {
        self.options & option != 0
    }
}

/// Has a task wait for a signal instead of making a call that would fail.
pub(crate) fn wait_for_any_signal(stopped: &mut Stopped) -> Result<(), RecordError> {
    let registers = stopped.registers()?;
    let orig_rax = u64::from(nr::PAUSE.get());
    Ok(stopped.set_registers(&Registers { orig_rax, ..registers })?)
}
