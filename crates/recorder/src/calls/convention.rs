//! Calls that are not of the table of x86-64.
//!
//! Those of the 32-bit table (`int 0x80`) that have a namesake with the same arguments are made as the
//! program wants, and recorded as that one. All others are refused, as by a kernel without that table.

use retake_abi::{Convention, i386_args, number_of_i386, table_of};
use retake_model::{Registers, SyscallNo};
use retake_ptrace::{PtraceError, Stopped};

use crate::next::call_number;

/// `__USER_CS` (asm/segment.h)
pub(crate) const USER_CS: u64 = 0x33;

/// A call as a task has entered it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) by: Convention,
    /// The number under which it is recorded.
    pub(crate) no: SyscallNo,
    pub(crate) args: [u64; 6],
}

/// What `syscall` leaves behind in 64-bit code (Intel SDM vol. 2, SYSCALL). `int 0x80` leaves registers
/// alone: a program would have to put both values there for it to look the same.
fn is_by_syscall(entry: &Registers) -> bool {
    entry.rcx == entry.rip && entry.r11 == entry.eflags && entry.cs == USER_CS
}

impl Made {
    pub(crate) fn at(stopped: &Stopped, entry: &Registers) -> Result<Self, PtraceError> {
        let no = call_number(entry);
        // The kernel is asked only where the registers leave it open: this is done for each call.
        if is_by_syscall(entry) || !stopped.calls_by_other_table()? {
            return Ok(Self { by: table_of(no).0, no, args: entry.args() });
        }
        let no = number_of_i386(no.get());
        Ok(Self { by: Convention::I386, no, args: i386_args(entry) })
    }

    /// Whether the call is one that cannot be recorded.
    pub(crate) fn is_refused(&self) -> bool {
        table_of(self.no).0 != Convention::Native
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_syscall_leaves_both_registers() {
        let entry = Registers {
            rip: 0x1002,
            rcx: 0x1002,
            eflags: 0x246,
            r11: 0x246,
            cs: USER_CS,
            ..Registers::default()
        };
        assert!(is_by_syscall(&entry));
        for other in [
            Registers { rcx: 1, ..entry },
            Registers { r11: 0, ..entry },
            Registers { cs: 0x23, ..entry },
        ] {
            assert!(!is_by_syscall(&other));
        }
    }
}
