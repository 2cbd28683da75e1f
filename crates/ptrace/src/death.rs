//! Tasks that are killed while they are left in a stop, by somebody else or by us.

use nix::libc;
use retake_model::Signal;

use crate::Stopped;
use crate::stop::{PtraceStop, WaitFlags, wait};
use crate::task::{Resume, kill_process};

/// `si_code` of a task at its exit stop (ptrace(2), "PTRACE_GETSIGINFO").
const AT_EXIT: i32 = libc::SIGTRAP | libc::PTRACE_EVENT_EXIT << 8;

impl Stopped {
    /// The signal that killed the task since it stopped last, if one did. A killed task waits at its exit stop:
    /// its registers and memory can still be read there, so nothing else need tell.
    pub fn killed_by(&self) -> Option<Signal> {
        if let Some(signal) = self.end {
            return Some(signal);
        }
        match self.siginfo() {
            Ok(info) if info.code() == AT_EXIT => {
                // The message is a wait status: the signal is in its lower seven bits.
                let status = self.event_message().unwrap_or(0);
                i64::try_from(status & 0x7f).ok().and_then(|n| Signal::from_number(n).ok())
            }
            // Nothing but SIGKILL takes a task out of a ptrace-stop (ptrace(2)).
            Err(error) if error.is_gone() => Some(Signal::KILL),
            _ => None,
        }
    }

    /// Kills the task's process and collects what the kernel reports of its end. The task must be the only
    /// one of its process.
    pub fn end(&mut self) {
        if self.end.is_some() {
            // Collected before. The number can be another process's by now.
            return;
        }
        let tid = self.tid();
        kill_process(tid);
        // A task that was killed before can be at its exit stop, which was reported already: another SIGKILL
        // does not wake it there. This does. It fails where the task is still on its way to that stop.
        let _ = self.restart(Resume::Continue, None);
        while let Ok(Some(stop)) = wait(tid, WaitFlags::Block) {
            match stop {
                PtraceStop::Stopped(stopped, _) => {
                    // Fails where SIGKILL took the task out of this stop: its exit stop is reported next.
                    let _ = stopped.resume(Resume::Continue, None);
                }
                PtraceStop::Exited { .. } | PtraceStop::Killed { .. } => break,
            }
        }
        self.end = Some(Signal::KILL);
    }
}
