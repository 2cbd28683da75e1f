//! What a signal does to a process that does not handle it.

use retake_model::Signal;

use crate::nr;
use retake_model::SyscallNo;

/// The default action of a signal (signal(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// The process ends and leaves a core dump.
    Core,
    /// Nothing happens.
    Ignore,
    /// The process stops.
    Stop,
    /// The process continues if it was stopped.
    Continue,
}

/// The default action of `signal`.
pub const fn default_action(signal: Signal) -> DefaultAction {
    match signal {
        Signal::QUIT
        | Signal::ILL
        | Signal::TRAP
        | Signal::ABRT
        | Signal::BUS
        | Signal::FPE
        | Signal::SEGV
        | Signal::XCPU
        | Signal::XFSZ
        | Signal::SYS => DefaultAction::Core,
        Signal::CHLD | Signal::URG | Signal::WINCH => DefaultAction::Ignore,
        Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => DefaultAction::Stop,
        Signal::CONT => DefaultAction::Continue,
        _ => DefaultAction::Terminate,
    }
}

/// Where a call keeps the signal mask that holds only while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemporaryMask {
    /// That argument points to the 8-byte set (or is null).
    Direct {
        /// Index of the argument.
        arg: u8,
    },
    /// That argument points to `{ pointer to the set, its size }` (pselect6); both may be null.
    Nested {
        /// Index of the argument.
        arg: u8,
    },
}

/// The temporary signal mask of a call, if it takes one. While it waits, the task's mask in the
/// kernel is another than rt_sigprocmask(2) left.
pub const fn temporary_mask(no: SyscallNo) -> Option<TemporaryMask> {
    match no {
        nr::RT_SIGSUSPEND => Some(TemporaryMask::Direct { arg: 0 }),
        nr::PPOLL => Some(TemporaryMask::Direct { arg: 3 }),
        nr::EPOLL_PWAIT | nr::EPOLL_PWAIT2 => Some(TemporaryMask::Direct { arg: 4 }),
        nr::PSELECT6 => Some(TemporaryMask::Nested { arg: 5 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_those_of_the_manual() {
        let action = |n| default_action(Signal::from_number(n).unwrap());
        assert_eq!(action(11), DefaultAction::Core);
        assert_eq!(action(9), DefaultAction::Terminate);
        assert_eq!(action(17), DefaultAction::Ignore);
        assert_eq!(action(18), DefaultAction::Continue);
        assert_eq!(action(19), DefaultAction::Stop);
        assert_eq!(action(29), DefaultAction::Terminate, "SIGIO");
        assert_eq!(action(40), DefaultAction::Terminate, "real-time");
    }

    #[test]
    fn waiting_calls_with_masks() {
        assert_eq!(temporary_mask(nr::PPOLL), Some(TemporaryMask::Direct { arg: 3 }));
        assert_eq!(temporary_mask(nr::PSELECT6), Some(TemporaryMask::Nested { arg: 5 }));
        assert_eq!(temporary_mask(nr::POLL), None);
    }
}
