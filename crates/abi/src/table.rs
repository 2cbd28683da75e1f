//! The table of all calls, by number.

use retake_model::SyscallNo;

use crate::call::{Class, Syscall};
use crate::calls::FAMILIES;

/// One more than the highest number in the table.
const LEN: usize = 471;

static TABLE: [Option<Syscall>; LEN] = index();

const fn index() -> [Option<Syscall>; LEN] {
    let mut table = [None; LEN];
    let mut family = 0;
    while family < FAMILIES.len() {
        let rows = FAMILIES[family];
        let mut row = 0;
        while row < rows.len() {
            table[rows[row].no.get() as usize] = Some(rows[row]);
            row += 1;
        }
        family += 1;
    }
    table
}

/// The row of a call, before its sub-command is looked at. `None` if the table has no such number.
pub fn lookup(no: SyscallNo) -> Option<&'static Syscall> {
    TABLE.get(usize::try_from(no.get()).ok()?)?.as_ref()
}

/// Every row, in rising order of numbers.
pub fn all() -> impl Iterator<Item = &'static Syscall> {
    TABLE.iter().flatten()
}

/// The row that holds for this very call: the sub-command (fcntl, ioctl, prctl, …) and flags that
/// change whether it waits are taken into account. A number that the table does not have gives a
/// row of [`Class::Unknown`] that may wait.
pub fn resolve(no: SyscallNo, args: &[u64; 6]) -> Syscall {
    match lookup(no) {
        Some(row) => crate::resolve::refine(*row, args),
        None => Syscall::new(no, "unknown", &[]).may_block().is(Class::Unknown).changes_fds(),
    }
}
