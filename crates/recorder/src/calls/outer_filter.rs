//! Calls that a seccomp filter from outside may answer: that of a container, for one.
//!
//! Of several filters' actions the most severe is taken (seccomp(2)). What one from outside answers with
//! an error, as Docker's default profile does with `clone3`, never comes to a filter that asks for less. So where
//! there is such a filter ours asks for a signal (`SECCOMP_RET_TRAP`), which is more. The kernel then makes no
//! call: what the recorder does not answer itself is made in the page of injected calls, which our filter lets
//! through, and the task is set back behind its own instruction at the next stop. What the filter from outside
//! answers there is the result.
//!
//! Not covered: a call that both the program's own filter and one from outside reject gets the answer of
//! the program's. While a task is in a call, `/proc/PID/syscall` and core dumps show it in that page. Where a filter
//! from outside sends SIGSYS itself, `si_call_addr` is there, too. A SIGSYS that was sent to a task which both blocks
//! and ignores it is lost.

use retake_model::{Registers, Signal};
use retake_ptrace::{CallStops, Resume, StopEvent, Stopped};
use retake_tracee::InjectPage;

use crate::error::RecordError;
use crate::next::{Next, resumed};
use crate::seccomp::confinement::own_status;
use crate::session::Session;
use crate::signals::disposition::{Disposition, disposition};
use crate::tasks::Task;

/// So many signals may arrive on the way into a call.
const MOST_SIGNALS: u32 = 64;

/// Whether there is a filter from outside.
pub(crate) fn is_there() -> bool {
    /// `SECCOMP_MODE_FILTER`
    const FILTER: &str = "2";
    own_status("Seccomp:").as_deref() == Some(FILTER)
}

/// How the program's calls are stopped so that each of them is seen.
pub(crate) fn call_stops() -> CallStops {
    if is_there() { CallStops::BySignal } else { CallStops::AtEntry }
}

/// Sets a task that comes out of a call that was made in the page of injected calls back behind its own
/// instruction; `entry` are the registers with which it has made the call.
pub(crate) fn set_back(stopped: &mut Stopped, entry: &Registers) -> Result<(), RecordError> {
    let now = stopped.registers()?;
    if [InjectPage::AFTER, InjectPage::OTHER_AFTER].contains(&now.pc()) {
        let Registers { rip, rcx, r11, .. } = *entry;
        stopped.set_registers(&Registers { rip, rcx, r11, ..now })?;
    }
    Ok(())
}

impl Session {
    /// Lets a task that stands at the entry of a call go on into the kernel.
    pub(crate) fn enter_kernel(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        next: Next,
    ) -> Result<Next, RecordError> {
        if !stopped.is_trapped() {
            return Ok(resumed(stopped.resume(Resume::Syscall, None)?, next));
        }
        let at = match stopped.calls_by_other_table()? {
            true => InjectPage::OTHER_ADDR,
            false => InjectPage::ADDR,
        };
        let entry = stopped.registers()?;
        let call = Registers { rip: at.get(), rax: entry.orig_rax, orig_rax: u64::MAX, ..entry };
        stopped.set_registers(&call)?;
        let (mut mask, mut gets, mut signals) = (None, None, 0);
        let mut stops_again = false;
        loop {
            match stopped.resume_and_wait(Resume::Syscall, gets.take())? {
                StopEvent::Syscall => break,
                StopEvent::Signal(signal) if signals < MOST_SIGNALS => {
                    signals += 1;
                    match disposition(task, signal)? {
                        Disposition::Ignored if !task.asks_tracer() => {}
                        Disposition::Stop if !task.asks_tracer() => gets = Some(signal),
                        _ => {
                            // What a task is resumed with and blocks waits (kernel/signal.c, `ptrace_signal`): it
                            // comes in the call.
                            mask = mask.or(Some(stopped.signal_mask()?));
                            stopped.set_signal_mask(u64::MAX)?;
                            gets = Some(signal);
                        }
                    }
                }
                StopEvent::Stop(Signal::TRAP) if task.asked_to_stop => task.asked_to_stop = false,
                StopEvent::Stop(_) => stops_again = true,
                StopEvent::Exit => return self.handle(task, stopped, StopEvent::Exit),
                other => {
                    let what = format!("{other:?} instead of a call's entry");
                    return Err(RecordError::Unsupported(what));
                }
            }
        }
        if let Some(mask) = mask {
            stopped.set_signal_mask(mask)?;
        }
        if stops_again {
            stopped.stop_again()?;
        }
        Ok(resumed(stopped.resume(Resume::Syscall, None)?, next))
    }
}

impl Task {
    /// What a stop is for: sets a task that comes out of a call back behind its own instruction, and takes a SIGSYS
    /// that was sent to it for that of a call if it stands for it.
    pub(crate) fn stop_of_call(
        &mut self,
        stopped: &mut Stopped,
        event: StopEvent,
    ) -> Result<StopEvent, RecordError> {
        match (event, &self.open) {
            (
                StopEvent::Syscall | StopEvent::Cloned | StopEvent::VforkDone | StopEvent::Exit,
                Some(open),
            ) => set_back(stopped, &open.entry)?,
            (StopEvent::Signal(Signal::SYS), None) if is_there() => {
                let now = stopped.registers()?;
                let was_made = now.orig_rax.cast_signed() < 0 || now.rax != now.orig_rax;
                if !was_made && self.is_made_fatal(Signal::SYS) && stopped.siginfo()?.code() <= 0 {
                    stopped.take_for_trap()?;
                    return Ok(StopEvent::Seccomp);
                }
            }
            _ => {}
        }
        Ok(event)
    }

    /// A task has come to the entry of a call: what the kernel did to force a SIGSYS on it is undone.
    pub(crate) fn undo_trap(&mut self, stopped: &mut Stopped) -> Result<(), RecordError> {
        if !stopped.is_trapped() || !self.is_made_fatal(Signal::SYS) {
            return Ok(());
        }
        let entry = stopped.registers()?;
        let in_code = Registers { orig_rax: u64::MAX, ..entry };
        self.undo_forced(stopped, Signal::SYS, &in_code)?;
        Ok(stopped.set_registers(&entry)?)
    }
}
