//! Signals that a task holds until there is a place for them.

use retake_model::{SigInfo, Signal};
use retake_ptrace::{Stopped, monotonic};

use crate::error::RecordError;
use crate::signals::disposition::{Disposition, disposition};
use crate::tasks::Task;

/// While a place is looked for: takes a signal in that would only be held, so that the search goes on.
/// False for any other, which has not been touched.
pub(crate) fn hold_meanwhile(
    task: &mut Task,
    stopped: &mut Stopped,
    signal: Signal,
) -> Result<bool, RecordError> {
    let (info, registers) = (stopped.siginfo()?, stopped.registers()?);
    if is_synchronous(signal, &info) || task.hides_forced(&info, &registers) {
        return Ok(false);
    }
    if !task.mid_code && registers == task.registers {
        // Its place is here, right behind the last event: what a task sends to itself by a call is handled
        // before that call returns.
        return Ok(false);
    }
    match disposition(task, signal)? {
        // Its tracer is told of each, at a place where it can be delivered.
        _ if task.asks_tracer() => {
            hold(task, stopped, signal, info)?;
            Ok(true)
        }
        Disposition::Ignored => Ok(true),
        Disposition::Stop => Ok(false),
        Disposition::Handler | Disposition::Fatal => {
            hold(task, stopped, signal, info)?;
            Ok(true)
        }
    }
}

/// Keeps a signal that the task has stopped with for a place where it can be delivered. As in the kernel,
/// one that waits already is enough, but for real-time signals.
pub(super) fn hold(
    task: &mut Task,
    stopped: &mut Stopped,
    signal: Signal,
    info: SigInfo,
) -> Result<(), RecordError> {
    let merged = !signal.is_realtime() && task.held.iter().any(|held| held.signal() == Ok(signal));
    if task.held.is_empty() {
        task.held_since = monotonic();
        task.hidden.restart();
    }
    if merged {
        task.came_again(stopped, signal)?;
    } else {
        task.held.push_back(info);
    }
    Ok(())
}

pub(crate) fn is_synchronous(signal: Signal, info: &SigInfo) -> bool {
    let kind =
        matches!(signal, Signal::SEGV | Signal::BUS | Signal::ILL | Signal::FPE | Signal::TRAP);
    kind && info.code() > 0
}
