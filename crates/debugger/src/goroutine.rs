//! A goroutine that is on no thread, and whose stack requests look at.

use retake_model::Registers;
use retake_values::SavedRegisters;

/// A selected goroutine that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) id: u64,
    pub(crate) saved: SavedRegisters,
}

impl Parked {
    /// The registers of a thread of the program, with those that are kept of the goroutine: no function of Go
    /// expects others from a call.
    pub(crate) fn over(self, registers: Registers) -> Registers {
        Registers {
            rip: self.saved.pc.get(),
            rsp: self.saved.sp.get(),
            rbp: self.saved.bp.get(),
            ..registers
        }
    }
}
