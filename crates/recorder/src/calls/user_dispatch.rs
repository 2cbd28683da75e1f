//! System calls that a program handles itself (prctl(2), `PR_SET_SYSCALL_USER_DISPATCH`), as emulators of
//! other systems do.
//!
//! The kernel would send SIGSYS for them before the recorder sees the call. So it is not told; the recorder,
//! which sees each call anyway, sends the signal (kernel/entry/syscall_user_dispatch.c).

use retake_abi::Errno;
use retake_model::{Addr, Registers, SigInfo, Signal};
use retake_ptrace::Stopped;

use crate::book::Draft;
use crate::calls::convention::Made;
use crate::error::RecordError;
use crate::seccomp::{Cause, Judged};
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

/// First address above user memory (4-level page tables).
const USER_END: u64 = 0x7fff_ffff_f000;
const ALLOW: u8 = 0;
const BLOCK: u8 = 1;

/// Which calls a task handles itself: all but those from a range of code, as long as a byte says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dispatch {
    start: u64,
    len: u64,
    /// Null: always.
    selector: Addr,
}

/// What the task wants done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Make,
    Handle,
    /// The byte cannot be read, or says neither: this signal ends the process.
    End(Signal),
}

impl Dispatch {
    /// What is set by these arguments; `None` ends it.
    fn of(args: &[u64; 6]) -> Result<Option<Self>, Errno> {
        const OFF: u64 = 0;
        const EXCLUSIVE: u64 = 1;
        const INCLUSIVE: u64 = 2;
        let [_, mode, start, len, selector, _] = *args;
        let end = start.wrapping_add(len);
        let (start, len) = match mode {
            OFF if (start, len, selector) == (0, 0, 0) => return Ok(None),
            EXCLUSIVE if start == 0 || end > start => (start, len),
            // Only those from the range: the others are all those outside of it.
            INCLUSIVE if len != 0 && end > start => (end, len.wrapping_neg()),
            _ => return Err(Errno::EINVAL),
        };
        if selector >= USER_END {
            return Err(Errno::EFAULT);
        }
        Ok(Some(Self { start, len, selector: Addr::new(selector) }))
    }

    fn wish(&self, pc: u64, selector: Option<u8>) -> Wish {
        if pc.wrapping_sub(self.start) < self.len {
            return Wish::Make;
        }
        match selector {
            _ if self.selector.is_null() => Wish::Handle,
            Some(ALLOW) => Wish::Make,
            Some(BLOCK) => Wish::Handle,
            Some(_) => Wish::End(Signal::SYS),
            None => Wish::End(Signal::SEGV),
        }
    }
}

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
                crate::signals::make_fatal(task, &mut stopped, signal, &here)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn set(args: [u64; 4]) -> Result<Option<Dispatch>, Errno> {
        let [mode, start, len, selector] = args;
        Dispatch::of(&[59, mode, start, len, selector, 0])
    }

    #[test]
    fn calls_from_the_range_are_made() {
        let dispatch = set([1, 0x1000, 0x100, 0x5000]).unwrap().unwrap();
        assert_eq!(dispatch.wish(0x1000, Some(BLOCK)), Wish::Make);
        assert_eq!(dispatch.wish(0x10ff, Some(BLOCK)), Wish::Make);
        assert_eq!(dispatch.wish(0x1100, Some(BLOCK)), Wish::Handle);
        assert_eq!(dispatch.wish(0xfff, Some(ALLOW)), Wish::Make);
        assert_eq!(dispatch.wish(0xfff, Some(2)), Wish::End(Signal::SYS));
        assert_eq!(dispatch.wish(0xfff, None), Wish::End(Signal::SEGV));
        let always = set([1, 0, 0, 0]).unwrap().unwrap();
        assert_eq!(always.wish(0x1000, None), Wish::Handle);
    }

    #[test]
    fn only_calls_from_the_range_are_handled() {
        let dispatch = set([2, 0x1000, 0x100, 0]).unwrap().unwrap();
        assert_eq!(dispatch.wish(0x1000, None), Wish::Handle);
        assert_eq!(dispatch.wish(0x1100, None), Wish::Make);
        assert_eq!(dispatch.wish(0xfff, None), Wish::Make);
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        for args in [[3, 0, 0, 0], [0, 1, 0, 0], [1, 16, 0, 0], [2, 16, 0, 0], [2, 0, 0, 0]] {
            assert_eq!(set(args), Err(Errno::EINVAL), "{args:?}");
        }
        assert_eq!(set([1, 0, 0, u64::MAX]), Err(Errno::EFAULT));
        assert_eq!(set([0, 0, 0, 0]), Ok(None));
    }
}
