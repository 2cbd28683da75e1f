//! What a filter's verdict does to a call.

use retake_abi::{Convention, nr};
use retake_model::{Registers, SigInfo, Signal};
use retake_ptrace::{Stopped, kill_process};
use retake_recording::EventKind;

use super::Verdict;
use crate::calls::convention::Made;
use crate::error::RecordError;
use crate::next::{Next, call_number};
use crate::session::Session;
use crate::tasks::Task;

/// Why a task gets SIGSYS for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A filter says so, and the program may handle it.
    Trap(u16),
    /// A filter says so, and it ends the process.
    Kill(u16),
    /// The program handles its calls itself.
    Dispatch,
}

impl Cause {
    /// `si_code` (`SYS_SECCOMP`, `SYS_USER_DISPATCH`) and `si_errno`.
    fn code_and_data(self) -> (i32, u16) {
        match self {
            Self::Trap(data) | Self::Kill(data) => (1, data),
            Self::Dispatch => (2, 0),
        }
    }
}

/// What filters may do about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filters {
    /// They may ask the task's tracer.
    Ask,
    /// They have; that verdict is now "allowed" (kernel/seccomp.c, `recheck_after_trace`).
    HaveAsked,
}

/// `exit` in the 32-bit table.
const I386_EXIT: u64 = 1;

/// A call after the program's filters.
pub(crate) enum Judged {
    /// It goes on.
    Allowed(Stopped),
    /// It was dealt with.
    Done(Next),
}

impl Session {
    /// Runs the program's filters over a call at its entry.
    pub(crate) fn judge(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        entry: &Registers,
        made: &Made,
        filters: Filters,
    ) -> Result<Judged, RecordError> {
        let verdict = task.confinement.judge(entry, made);
        let next = match verdict {
            Verdict::Allow => return Ok(Judged::Allowed(stopped)),
            Verdict::Fail(errno) => {
                let draft = self.book.draft();
                self.answer(task, draft, stopped, made.no, entry, -i64::from(errno))?
            }
            Verdict::Trace(_) if filters == Filters::HaveAsked => {
                return Ok(Judged::Allowed(stopped));
            }
            Verdict::Trace(data) => {
                let call = (entry, made.no);
                match self.world.stop_for_filter(&mut self.book, task, stopped, call, data)? {
                    Ok(next) => next,
                    Err(stopped) => self.fail_as_unknown(task, stopped, made, entry)?,
                }
            }
            Verdict::Notify => self.fail_as_unknown(task, stopped, made, entry)?,
            Verdict::Trap(data) => {
                self.send_sigsys(task, stopped, (entry, made), Cause::Trap(data))?
            }
            Verdict::KillProcess(data) => {
                self.send_sigsys(task, stopped, (entry, made), Cause::Kill(data))?
            }
            Verdict::KillThread(data) => {
                if self.world.tasks.values().any(|other| other.pid == task.pid && !other.ended) {
                    self.end_thread(task, stopped, entry, made)?
                } else {
                    self.send_sigsys(task, stopped, (entry, made), Cause::Kill(data))?
                }
            }
            Verdict::KillStrict => {
                let draft = self.book.draft();
                let kind = EventKind::SyscallEnter { no: made.no };
                self.book.append(task, draft, &kind, entry, entry)?;
                task.dying = true;
                kill_process(task.pid);
                Next::Soon
            }
        };
        Ok(Judged::Done(next))
    }

    /// The kernel skips the call and forces SIGSYS on the task (kernel/seccomp.c,
    /// `force_sig_seccomp`).
    pub(crate) fn send_sigsys(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        (entry, made): (&Registers, &Made),
        cause: Cause,
    ) -> Result<Next, RecordError> {
        // As after `syscall_rollback`, and with no call to be made.
        let skipped = Registers { rax: entry.orig_rax, orig_rax: u64::MAX, ..*entry };
        let info = siginfo(entry, super::arch(made), cause);
        let may_handle = !matches!(cause, Cause::Kill(_));
        if !(may_handle && crate::signals::disposition::would_handle(task, &stopped, Signal::SYS)?)
        {
            crate::signals::fatal::make_fatal(task, &mut stopped, Signal::SYS, &skipped)?;
        }
        self.send_to_stopped(task, stopped, &skipped, entry, &info)
    }

    /// Ends the thread alone, as `exit` does. (The kernel says that SIGSYS ended it, which only shows
    /// where the thread is a leader whose threads all end the same way.)
    fn end_thread(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        entry: &Registers,
        made: &Made,
    ) -> Result<Next, RecordError> {
        let draft = self.book.draft();
        let kind = EventKind::SyscallEnter { no: made.no };
        self.book.append(task, draft, &kind, entry, entry)?;
        let number = if made.by == Convention::I386 { I386_EXIT } else { nr::EXIT.get().into() };
        let code = u64::try_from(Signal::SYS.number()).unwrap_or(0);
        let exit = Registers { orig_rax: number, rdi: code, rbx: code, ..*entry };
        stopped.set_registers(&exit)?;
        task.dying = true;
        self.enter_kernel(task, stopped, Next::Soon)
    }
}

/// `siginfo_t` of a SIGSYS for a call: `si_call_addr`, `si_syscall`, `si_arch`.
fn siginfo(entry: &Registers, arch: u32, cause: Cause) -> SigInfo {
    let (code, data) = cause.code_and_data();
    let mut bytes = [0; SigInfo::SIZE];
    let number = Signal::SYS.number();
    let fields: [(usize, &[u8]); 6] = [
        (0, &number.to_le_bytes()),
        (4, &i32::from(data).to_le_bytes()),
        (8, &code.to_le_bytes()),
        (16, &entry.rip.to_le_bytes()),
        (24, &call_number(entry).get().to_le_bytes()),
        (28, &arch.to_le_bytes()),
    ];
    for (at, field) in fields {
        if let Some(to) = bytes.get_mut(at..at + field.len()) {
            to.copy_from_slice(field);
        }
    }
    SigInfo::from_bytes(bytes)
}
