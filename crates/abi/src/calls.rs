//! The rows, one file a family.

mod absent;
mod files;
mod ipc;
mod memory;
mod polling;
mod signals;
mod sockets;
mod system;
mod tasks;
mod time;

use crate::call::Syscall;

/// All families.
pub(crate) const FAMILIES: &[&[Syscall]] = &[
    files::ROWS,
    memory::ROWS,
    tasks::ROWS,
    signals::ROWS,
    time::ROWS,
    polling::ROWS,
    sockets::ROWS,
    ipc::ROWS,
    system::ROWS,
    absent::ROWS,
];
