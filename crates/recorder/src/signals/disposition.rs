//! What a task would do with a signal, as `/proc/PID/status` tells.

use retake_abi::{DefaultAction, default_action};
use retake_model::Signal;
use retake_ptrace::Stopped;

use crate::error::RecordError;
use crate::signals::state::status_mask;
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
fn is_namespace_init(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NStgid:")).unwrap_or("");
    let mut numbers = numbers.split_whitespace();
    numbers.next().is_some() && numbers.next_back() == Some("1")
}

pub(crate) fn disposition(task: &Task, signal: Signal) -> Disposition {
    let status = std::fs::read_to_string(format!("/proc/{}/status", task.tid)).unwrap_or_default();
    if status_mask(&status, "SigCgt:") & signal.mask_bit() != 0 {
        return Disposition::Handler;
    }
    if status_mask(&status, "SigIgn:") & signal.mask_bit() != 0 {
        return Disposition::Ignored;
    }
    if is_namespace_init(&status) && !matches!(signal, Signal::KILL | Signal::STOP) {
        // What comes from within its namespace has no default action on it (pid_namespaces(7)).
        return Disposition::Ignored;
    }
    match default_action(signal) {
        DefaultAction::Ignore | DefaultAction::Continue => Disposition::Ignored,
        DefaultAction::Stop => Disposition::Stop,
        DefaultAction::Terminate | DefaultAction::Core => Disposition::Fatal,
    }
}

/// Whether signals do not end the task's process by themselves.
pub(crate) fn is_unkillable(task: &Task) -> bool {
    std::fs::read_to_string(format!("/proc/{}/status", task.tid))
        .is_ok_and(|status| is_namespace_init(&status))
}

/// Whether a signal sent to the task would run a handler.
pub(crate) fn would_handle(
    task: &Task,
    stopped: &Stopped,
    signal: Signal,
) -> Result<bool, RecordError> {
    let blocked = stopped.signal_mask()? & signal.mask_bit() != 0;
    Ok(!blocked && disposition(task, signal) == Disposition::Handler)
}
