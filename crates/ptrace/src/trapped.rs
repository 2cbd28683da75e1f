//! Calls that the recording filter stops by a signal (`SECCOMP_RET_TRAP`).
//!
//! The kernel makes no call, sets the registers back to what they were before it, but for the program counter,
//! and forces SIGSYS on the task (kernel/seccomp.c, `force_sig_seccomp`). Here that becomes a stop at the entry
//! of the call, with registers as at one that `SECCOMP_RET_TRACE` makes.

use nix::libc;
use retake_model::{PAGE_SIZE, Registers, SigInfo, Signal, Tid};

use crate::seccomp::{BY_SIGNAL, OTHER_TABLE, VSYSCALL_PAGE};
use crate::stop::{PtraceStop, StopEvent, WaitFlags, wait_unsettled};
use crate::{PtraceError, Resume, Stopped};

/// A call that was stopped by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trap {
    pub(crate) by_other_table: bool,
}

/// What `siginfo_t` says of a call: `si_call_addr` and `si_syscall`.
struct Call {
    trap: Trap,
    behind: u64,
    no: u32,
}

impl Call {
    fn of(info: &SigInfo) -> Option<Self> {
        const SYS_SECCOMP: i32 = 1;
        if info.signal() != Ok(Signal::SYS) || info.code() != SYS_SECCOMP {
            return None;
        }
        let bytes = info.to_bytes();
        let int = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(|part| part.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        };
        let data = int(4);
        let behind = u64::from(int(16)) | u64::from(int(20)) << 32;
        let by_other_table = data & OTHER_TABLE != 0;
        (data & !OTHER_TABLE == BY_SIGNAL).then_some(Self {
            trap: Trap { by_other_table },
            behind,
            no: int(24),
        })
    }
}

fn no_call_yet() -> u64 {
    i64::from(-libc::ENOSYS).cast_unsigned()
}

impl Stopped {
    /// Whether the task came to the entry of its call by a signal: the kernel does not make the call by itself.
    pub fn is_trapped(&self) -> bool {
        self.trap.is_some()
    }

    /// Takes a SIGSYS for one by which the task came to a call of the table of x86-64: where another SIGSYS waited,
    /// the two are one, with the description of the other (kernel/signal.c, `legacy_queue`).
    ///
    /// # Errors
    /// When the task is gone.
    pub fn take_for_trap(&mut self) -> Result<(), PtraceError> {
        self.trap = Some(Trap { by_other_table: false });
        let registers = self.registers()?;
        self.set_registers(&Registers { rax: no_call_yet(), ..registers })
    }

    fn trapped_at(&mut self, call: &Call) -> Result<(), PtraceError> {
        self.trap = Some(call.trap);
        let now = self.registers()?;
        let entry = Registers { rax: no_call_yet(), ..now };
        let entry = match call.behind & !(PAGE_SIZE - 1) {
            // The kernel has let it return to its caller (arch/x86/entry/vsyscall/vsyscall_64.c).
            VSYSCALL_PAGE => Registers {
                rip: call.behind,
                rsp: now.rsp.wrapping_sub(8),
                orig_rax: u64::from(call.no),
                ..entry
            },
            _ => entry,
        };
        self.set_registers(&entry)
    }

    fn has_queued_trap(&self) -> Result<bool, PtraceError> {
        Ok(self.queued()?.iter().any(|info| Call::of(info).is_some()))
    }
}

/// One that is gone meanwhile will be seen to be.
fn unless_gone<T: Default>(result: Result<T, PtraceError>) -> Result<T, PtraceError> {
    match result {
        Err(error) if error.is_gone() => Ok(T::default()),
        other => other,
    }
}

/// Makes the stop of a call of what a SIGSYS of the recording filter has brought.
pub(crate) fn settle(mut stopped: Stopped, event: StopEvent) -> Result<PtraceStop, PtraceError> {
    match event {
        StopEvent::Signal(Signal::SYS) => {
            let call = unless_gone(stopped.siginfo().map(|info| Call::of(&info)))?;
            let Some(call) = call else { return Ok(PtraceStop::Stopped(stopped, event)) };
            unless_gone(stopped.trapped_at(&call))?;
            Ok(PtraceStop::Stopped(stopped, StopEvent::Seccomp))
        }
        StopEvent::Stop(_) if unless_gone(stopped.has_queued_trap())? => come_to_trap(stopped),
        _ => Ok(PtraceStop::Stopped(stopped, event)),
    }
}

/// Stops that somebody asks for come before signals (kernel/signal.c, `get_signal`). The task stands behind a call
/// that was not made, which is no place of its code: the stop comes again after that of the call.
fn come_to_trap(stopped: Stopped) -> Result<PtraceStop, PtraceError> {
    let tid: Tid = stopped.tid();
    let mut stopped = stopped;
    loop {
        unless_gone(stopped.resume(Resume::Continue, None).map(drop))?;
        match wait_unsettled(tid.get(), WaitFlags::Block)? {
            Some((_, PtraceStop::Stopped(again, StopEvent::Stop(_)))) => stopped = again,
            Some((_, PtraceStop::Stopped(mut trapped, event @ StopEvent::Signal(Signal::SYS)))) => {
                unless_gone(trapped.stop_again())?;
                return settle(trapped, event);
            }
            Some((_, other)) => return Ok(other),
            None => return Err(PtraceError::of("waitpid", tid, nix::errno::Errno::ESRCH)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(errno: u32, code: i32) -> SigInfo {
        let mut bytes = [0; SigInfo::SIZE];
        let mut put = |at: usize, value: [u8; 4]| bytes[at..at + 4].copy_from_slice(&value);
        put(0, libc::SIGSYS.to_le_bytes());
        put(4, errno.to_le_bytes());
        put(8, code.to_le_bytes());
        put(16, 0x1234_u32.to_le_bytes());
        put(20, 0x7fff_u32.to_le_bytes());
        put(24, 39_u32.to_le_bytes());
        SigInfo::from_bytes(bytes)
    }

    #[test]
    fn traps_are_told_from_other_signals() {
        let call = Call::of(&info(BY_SIGNAL, 1)).unwrap();
        assert_eq!((call.behind, call.no), (0x7fff_0000_1234, 39));
        assert!(!call.trap.by_other_table);
        assert!(Call::of(&info(BY_SIGNAL | OTHER_TABLE, 1)).unwrap().trap.by_other_table);
        assert!(Call::of(&info(7, 1)).is_none(), "of another filter");
        assert!(Call::of(&info(BY_SIGNAL, 2)).is_none(), "SYS_USER_DISPATCH");
        assert!(Call::of(&info(BY_SIGNAL, -6)).is_none(), "sent");
    }
}
