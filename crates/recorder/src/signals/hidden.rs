//! Signals that come again and again while one of them is held.
//!
//! A timer that is faster than its signal finds a place leaves a task in the middle of code no time at all:
//! the next signal is there before one instruction has run. Such a signal waits in the kernel meanwhile: the
//! task blocks it. Nobody sees that: at each stop that is for something else the mask is what the program has
//! made of it, and all calls that look at it stop.

use retake_model::Signal;
use retake_ptrace::{PtraceError, Stopped};

use crate::tasks::Task;

/// So often a signal may come again before it is made to wait. (With other threads in the process it goes to
/// one of them then.)
const AGAIN: u32 = 3;

impl Task {
    /// The task has stopped with a signal that is held already.
    pub(crate) fn came_again(
        &mut self,
        stopped: &mut Stopped,
        signal: Signal,
    ) -> Result<(), PtraceError> {
        self.hidden.came_again += 1;
        let is_of_fault = matches!(
            signal,
            Signal::SEGV | Signal::BUS | Signal::ILL | Signal::FPE | Signal::TRAP | Signal::SYS
        );
        if self.hidden.came_again < AGAIN || is_of_fault {
            return Ok(());
        }
        if stopped.registers()?.orig_rax.cast_signed() >= 0 {
            // On its way out of a call the mask may be one for that call only.
            return Ok(());
        }
        let mask = stopped.signal_mask()?;
        let fresh = signal.mask_bit() & !mask;
        if fresh != 0 {
            stopped.set_signal_mask(mask | fresh)?;
            self.hidden.signals |= fresh;
        }
        Ok(())
    }

    /// Makes the mask again what the program has made of it.
    pub(crate) fn show_hidden(&mut self, stopped: &mut Stopped) -> Result<(), PtraceError> {
        let hidden = std::mem::take(&mut self.hidden.signals);
        if hidden != 0 {
            let mask = stopped.signal_mask()?;
            stopped.set_signal_mask(mask & !hidden)?;
        }
        Ok(())
    }
}
