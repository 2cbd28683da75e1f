//! What a task would do with a signal, as `/proc/PID/status` tells.

use retake_abi::{DefaultAction, default_action};
use retake_model::Signal;
use retake_ptrace::{PtraceError, Stopped, TaskStatus};

use crate::error::RecordError;
use crate::tasks::Task;

/// What the task would do with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    Handler,
    Ignored,
    Fatal,
    Stop,
}

/// Whether this is the status of the first process of a PID namespace below the recorder's.
fn is_namespace_init(status: &TaskStatus) -> bool {
    // A kernel without PID namespaces does not say.
    matches!(status.numbers("NStgid:").as_slice(), [_, .., 1])
}

pub(crate) fn disposition(task: &Task, signal: Signal) -> Result<Disposition, PtraceError> {
    let status = TaskStatus::of(task.tid)?;
    if status.mask("SigCgt:")? & signal.mask_bit() != 0 {
        return Ok(Disposition::Handler);
    }
    if status.mask("SigIgn:")? & signal.mask_bit() != 0 {
        return Ok(Disposition::Ignored);
    }
    if is_namespace_init(&status) && !matches!(signal, Signal::KILL | Signal::STOP) {
        // What comes from within its namespace has no default action on it (pid_namespaces(7)).
        return Ok(Disposition::Ignored);
    }
    Ok(match default_action(signal) {
        DefaultAction::Ignore | DefaultAction::Continue => Disposition::Ignored,
        DefaultAction::Stop => Disposition::Stop,
        DefaultAction::Terminate | DefaultAction::Core => Disposition::Fatal,
    })
}

/// Whether signals do not end the task's process by themselves.
pub(crate) fn is_unkillable(task: &Task) -> Result<bool, PtraceError> {
    Ok(is_namespace_init(&TaskStatus::of(task.tid)?))
}

/// Whether a signal sent to the task would run a handler.
pub(crate) fn would_handle(
    task: &Task,
    stopped: &Stopped,
    signal: Signal,
) -> Result<bool, RecordError> {
    let blocked = stopped.signal_mask()? & signal.mask_bit() != 0;
    Ok(!blocked && disposition(task, signal)? == Disposition::Handler)
}
