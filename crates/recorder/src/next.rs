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
