//! What a tracer is told of a stop: by wait(2), and by `PTRACE_GETSIGINFO`.

use retake_model::{SigInfo, Signal, Tid};

use super::{Kind, Traced};

/// Options (ptrace(2), `PTRACE_SETOPTIONS`). Those for events are 1 shifted by the event's number.
pub(super) const TRACESYSGOOD: u64 = 1;
pub(super) const EXITKILL: u64 = 1 << 20;
/// All but `PTRACE_O_SUSPEND_SECCOMP`.
pub(super) const ALL_OPTIONS: u64 = 0xff | EXITKILL;

/// `PTRACE_EVENT_STOP`
const EVENT_STOP: u32 = 128;
/// What tells stops at calls from other SIGTRAPs (`PTRACE_O_TRACESYSGOOD`).
const CALL: u32 = 0x80;
const SI_KERNEL: i32 = 0x80;
/// Low bits of a status that say "stopped".
const STOPPED: u32 = 0x7f;

/// An event that a tracer may ask for, by the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Fork = 1,
    Vfork = 2,
    Clone = 3,
    Exec = 4,
    VforkDone = 5,
    Exit = 6,
    /// A filter asks about the call that the task has entered (`SECCOMP_RET_TRACE`).
    Seccomp = 7,
}

impl Event {
    fn number(self) -> u32 {
        self as u32
    }

    pub(super) fn option(self) -> u64 {
        1 << self.number()
    }
}

/// What a step of a traced task was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Instruction,
    /// To the end of the call that it has entered.
    Call,
    /// To the first instruction of a handler.
    Handler,
}

impl Step {
    /// `si_code` at its end: `TRAP_TRACE`; `TRAP_BRKPT` (arch/x86/kernel/ptrace.c, `user_single_step_report`); what
    /// `ptrace_notify` says (kernel/signal.c, `signal_setup_done`).
    fn code(self) -> i32 {
        match self {
            Self::Instruction => 2,
            Self::Call => 1,
            Self::Handler => Signal::TRAP.number(),
        }
    }
}

/// Why a traced task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It was attached to: as if by SIGSTOP.
    Attached,
    /// `PTRACE_INTERRUPT`, or the first stop of a task that was made by a seized one.
    Interrupted,
    /// This signal is to be delivered.
    Signal(SigInfo),
    /// Its process is stopped by this signal.
    Group(Signal),
    CallEntry,
    /// The end of this call.
    CallExit(u64),
    /// With the event's message.
    Event(Event, u64),
}

fn number(signal: Signal) -> u32 {
    signal.number().cast_unsigned()
}

impl Why {
    /// The stop after a single step of process `pid`.
    pub(super) fn step(step: Step, pc: u64, pid: Tid) -> Self {
        const ADDRESS_OR_SENDER: usize = 16;
        let mut bytes = description(Signal::TRAP, step.code());
        match step {
            Step::Instruction | Step::Call => put(&mut bytes, ADDRESS_OR_SENDER, pc.to_le_bytes()),
            Step::Handler => put(&mut bytes, ADDRESS_OR_SENDER, pid.get().to_le_bytes()),
        }
        Self::Signal(SigInfo::from_bytes(bytes))
    }

    /// Whether the tracer says which signal the task gets.
    pub(super) fn is_delivery(&self) -> bool {
        matches!(self, Self::Attached | Self::Signal(_))
    }
}

/// `siginfo_t` with these fields.
pub(super) fn description(signal: Signal, code: i32) -> [u8; SigInfo::SIZE] {
    let mut bytes = [0; SigInfo::SIZE];
    put(&mut bytes, 0, signal.number().to_le_bytes());
    put(&mut bytes, 8, code.to_le_bytes());
    bytes
}

/// Sets a field of a `siginfo_t`.
pub(super) fn put<const LEN: usize>(info: &mut [u8; SigInfo::SIZE], at: usize, value: [u8; LEN]) {
    if let Some(to) = info.get_mut(at..at + LEN) {
        to.copy_from_slice(&value);
    }
}

/// The description of a signal that a process sends (`SI_USER`).
pub(super) fn sent_by(signal: Signal, sender: Tid) -> SigInfo {
    const SENDER: usize = 16;
    let mut bytes = description(signal, 0);
    put(&mut bytes, SENDER, sender.get().to_le_bytes());
    SigInfo::from_bytes(bytes)
}

impl Traced {
    /// Whether `PTRACE_GET_SYSCALL_INFO` tells of the call: at stops at calls only if they are marked (kernel/ptrace.c,
    /// `ptrace_get_syscall_info_op`).
    pub(super) fn tells_of_call(&self, why: &Why) -> bool {
        self.marks_calls || !matches!(why, Why::CallEntry | Why::CallExit(_))
    }

    /// SIGTRAP of a stop at a call, as it was asked for when the task stopped.
    fn trap_of_call(&self) -> u32 {
        let mark = if self.marks_calls { CALL } else { 0 };
        number(Signal::TRAP) | mark
    }

    /// What wait4(2) says of a stop.
    pub(super) fn status(&self, why: &Why) -> u32 {
        let trap = number(Signal::TRAP);
        let (event, signal) = match why {
            Why::Attached => (0, number(Signal::STOP)),
            Why::Interrupted => (EVENT_STOP, trap),
            Why::Signal(info) => (0, info.signal().map_or(trap, number)),
            Why::Group(signal) => match self.kind {
                Kind::Attached => (0, number(*signal)),
                Kind::Seized => (EVENT_STOP, number(*signal)),
            },
            Why::CallEntry | Why::CallExit(_) => (0, self.trap_of_call()),
            Why::Event(event, _) => (event.number(), trap),
        };
        event << 16 | signal << 8 | STOPPED
    }

    /// What `PTRACE_GETSIGINFO` says of it. Nothing: it has no signal.
    pub(super) fn siginfo(&self, why: &Why) -> Option<SigInfo> {
        let trap = number(Signal::TRAP);
        let coded = |signal, code: u32| description(signal, code.cast_signed());
        Some(SigInfo::from_bytes(match why {
            Why::Attached => description(Signal::STOP, SI_KERNEL),
            Why::Interrupted => coded(Signal::TRAP, EVENT_STOP << 8 | trap),
            Why::Signal(info) => return Some(info.clone()),
            Why::Group(_) if self.kind == Kind::Attached => return None,
            Why::Group(signal) => coded(*signal, EVENT_STOP << 8 | number(*signal)),
            Why::CallEntry | Why::CallExit(_) => coded(Signal::TRAP, self.trap_of_call()),
            Why::Event(event, _) => coded(Signal::TRAP, event.number() << 8 | trap),
        }))
    }
}

#[cfg(test)]
mod tests {
    use retake_model::TaskId;

    use super::super::{Stop, Tracer};
    use super::*;

    fn traced(kind: Kind, options: u64) -> Traced {
        let by = Tracer { task: TaskId::new(0), pid: Tid::new(1) };
        Traced::new(by, kind, options, Stop::Runs)
    }

    #[test]
    fn stops_are_told_as_by_the_kernel() {
        let plain = traced(Kind::Attached, 0);
        assert_eq!(plain.status(&Why::Attached), 0x137f);
        assert_eq!(plain.status(&Why::CallEntry), 0x057f);
        assert_eq!(plain.status(&Why::Group(Signal::TSTP)), 0x147f);
        assert_eq!(plain.status(&Why::step(Step::Instruction, 7, Tid::new(1))), 0x057f);
        let seized = Traced { marks_calls: true, ..traced(Kind::Seized, TRACESYSGOOD) };
        assert_eq!(seized.status(&Why::Interrupted), 0x80_057f);
        assert_eq!(seized.status(&Why::CallExit(1)), 0x857f);
        assert_eq!(seized.status(&Why::Group(Signal::STOP)), 0x80_137f);
        assert_eq!(seized.status(&Why::Event(Event::Exec, 1)), 0x4_057f);
    }

    #[test]
    fn signals_of_stops() {
        let plain = traced(Kind::Attached, 0);
        assert!(plain.siginfo(&Why::Group(Signal::STOP)).is_none());
        let after = |step| plain.siginfo(&Why::step(step, 0x1234, Tid::new(6))).unwrap();
        let step = after(Step::Instruction);
        assert_eq!((step.signal(), step.code()), (Ok(Signal::TRAP), 2));
        assert_eq!(step.fault_addr().get(), 0x1234);
        assert_eq!((after(Step::Call).code(), after(Step::Call).fault_addr().get()), (1, 0x1234));
        assert_eq!((after(Step::Handler).code(), after(Step::Handler).sender()), (5, 6));
        let fork = plain.siginfo(&Why::Event(Event::Fork, 9)).unwrap();
        assert_eq!(fork.code(), 0x105);
        assert_eq!(sent_by(Signal::USR1, Tid::new(5)).sender(), 5);
    }
}
