//! What comes next for a task whose stop was handled, and what a stop says.

use retake_model::{Registers, SyscallNo};
use retake_ptrace::{Running, Stopped};

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

/// The number of the call that a task stopped at: the kernel looks at 32 bits.
pub(crate) fn call_number(registers: &Registers) -> SyscallNo {
    SyscallNo::new(u32::try_from(registers.orig_rax & 0xffff_ffff).unwrap_or(u32::MAX))
}

/// Registers of a task that is in no system call, whatever the kernel keeps in `orig_rax` then, and
/// whatever it was stopped by.
pub(crate) fn normal(registers: &Registers) -> Registers {
    let registers = registers.without_resume_flag();
    if registers.orig_rax.cast_signed() < 0 {
        Registers { orig_rax: u64::MAX, ..registers }
    } else {
        registers
    }
}

/// The registers with which the call is made again that a task has entered.
pub(crate) fn before_call(entry: &Registers) -> Registers {
    const SYSCALL_LEN: u64 = 2;
    Registers {
        rip: entry.rip.wrapping_sub(SYSCALL_LEN),
        rax: entry.orig_rax,
        orig_rax: u64::MAX,
        ..*entry
    }
}
