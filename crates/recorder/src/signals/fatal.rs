//! Signals that end a task whatever it does at them.

use retake_abi::nr;
use retake_model::{Registers, Signal};
use retake_ptrace::Stopped;
use retake_tracee::{InjectPage, inject};

use crate::error::RecordError;
use crate::tasks::Task;

/// Makes a signal that the task blocks, ignores or handles end it (kernel/signal.c,
/// `force_sig_info`).
pub(crate) fn make_fatal(
    task: &mut Task,
    stopped: &mut Stopped,
    signal: Signal,
    base: &Registers,
) -> Result<(), RecordError> {
    // The page of injected calls is zero behind its code: the default action.
    let default = InjectPage::ADDR.get() + InjectPage::LEN / 2;
    let number = u64::try_from(signal.number()).unwrap_or(0);
    let done = inject(stopped, base, nr::RT_SIGACTION, [number, default, 0, 8, 0, 0])?;
    task.held.extend(done.signals);
    let mask = stopped.signal_mask()?;
    stopped.set_signal_mask(mask & !signal.mask_bit())?;
    Ok(())
}
