//! Memory of a task, as the table of calls reads it.

use retake_abi::ReadMemory;
use retake_model::Addr;
use retake_ptrace::ProcessMemory;

/// Task memory as the table reads it.
pub(crate) struct View<'a>(pub(crate) &'a ProcessMemory);

impl ReadMemory for View<'_> {
    fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
        self.0.read_exact(addr, out).is_ok()
    }
}
