//! System calls that a program handles itself (prctl(2), `PR_SET_SYSCALL_USER_DISPATCH`), as emulators of
//! other systems do.
//!
//! The kernel would send SIGSYS for them before the recorder sees the call. So it is not told; the recorder,
//! which sees each call anyway, sends the signal (kernel/entry/syscall_user_dispatch.c).

use retake_model::{Registers, SigInfo, Signal};
use retake_ptrace::Stopped;

use crate::book::Draft;
use crate::calls::convention::Made;
use crate::calls::dispatch::{Dispatch, Wish};
use crate::error::RecordError;
use crate::seccomp::act::{Cause, Judged};
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

impl World {
    /// `PR_SET_SYSCALL_USER_DISPATCH`.
    pub(crate) fn set_user_dispatch(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        args: &[u64; 6],
    ) -> Result<i64, RecordError> {
        match Dispatch::of(args) {
            Ok(dispatch) => {
                task.dispatch = dispatch;
                if dispatch.is_some() {
                    // Calls without a stop would pass by it.
                    self.trace_all_calls(draft, task)?;
                }
                Ok(0)
            }
            Err(errno) => Ok(errno.to_result()),
        }
    }
}

impl Session {
    /// A call at its entry: lets it pass, or sends the signal for it.
    pub(crate) fn dispatch(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        entry: &Registers,
        made: &Made,
    ) -> Result<Judged, RecordError> {
        let Some(dispatch) = task.dispatch else { return Ok(Judged::Allowed(stopped)) };
        let mut byte = [0];
        let read = task.memory.read_exact(dispatch.selector, &mut byte).is_ok();
        let next = match dispatch.wish(entry.rip, read.then_some(byte[0])) {
            Wish::Make => return Ok(Judged::Allowed(stopped)),
            Wish::Handle => self.send_sigsys(task, stopped, (entry, made), Cause::Dispatch)?,
            Wish::End(signal) => {
                let here = Registers { orig_rax: u64::MAX, ..*entry };
                crate::signals::fatal::make_fatal(task, &mut stopped, signal, &here)?;
                let info = forced(signal);
                self.send_to_stopped(task, stopped, &here, entry, &info)?
            }
        };
        Ok(Judged::Done(next))
    }
}

/// The description of a signal that the kernel forces on a task (`SI_KERNEL`).
fn forced(signal: Signal) -> SigInfo {
    const SI_KERNEL: i32 = 0x80;
    let mut bytes = [0; SigInfo::SIZE];
    let fields = [(0, signal.number()), (8, SI_KERNEL)];
    for (at, value) in fields {
        if let Some(to) = bytes.get_mut(at..at + 4) {
            to.copy_from_slice(&value.to_le_bytes());
        }
    }
    SigInfo::from_bytes(bytes)
}
