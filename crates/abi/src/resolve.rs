//! Sub-commands and flags.

use crate::call::Syscall;

/// The row for these arguments.
pub(crate) fn refine(row: Syscall, _args: &[u64; 6]) -> Syscall {
    row
}
