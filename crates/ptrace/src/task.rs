//! Tasks in a ptrace-stop, and running ones.
#![expect(unsafe_code, reason = "raw tgkill and kill")]

use std::cell::OnceCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::libc;
use retake_model::{Registers, SigInfo, Signal, Tid, VectorState};

use crate::PtraceError;
use crate::stop::{PtraceStop, StopEvent, WaitFlags, wait};
use crate::sys::{ptrace, ptrace_with};
use crate::trapped::Trap;

/// `NT_X86_XSTATE` (elf.h): the XSAVE area.
const NT_X86_XSTATE: usize = 0x202;
/// MXCSR_MASK of an XSAVE area (Intel SDM vol. 1, 10.5.1.2): no state, but what the processor can do. The kernel
/// gives it where it happened to save SSE registers, and zero elsewhere.
const MXCSR_MASK: std::ops::Range<usize> = 28..32;
/// Larger than every XSAVE area so far (AMX: about 11 KiB).
const MAX_XSAVE: usize = 16 * 1024;
/// The size of this machine's, once one was read.
static XSAVE_LEN: AtomicUsize = AtomicUsize::new(0);
/// Offset of `u_debugreg` in `struct user` (sys/user.h).
const DEBUG_REGISTERS: usize = 848;
/// `PTRACE_SYSEMU`: run to the next system call, which is not executed.
const PTRACE_SYSEMU: libc::c_uint = 31;
/// `PTRACE_SYSEMU_SINGLESTEP`
const PTRACE_SYSEMU_SINGLESTEP: libc::c_uint = 32;

/// A task in a ptrace-stop. Only here can it be looked at and changed; resuming it consumes it.
#[derive(Debug)]
#[must_use = "a stopped task stays stopped until it is resumed"]
pub struct Stopped {
    tid: Tid,
    /// It was killed, and its end was collected: no process has this number any more, or another one has.
    pub(crate) end: Option<Signal>,
    /// Its general registers, once read: they do not change while it is stopped.
    registers: OnceCell<Box<Registers>>,
    /// It has come to its last call by a signal.
    pub(crate) trap: Option<Trap>,
}

/// A task that was resumed and not yet waited for.
#[derive(Debug)]
pub struct Running {
    tid: Tid,
}

/// How to resume a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Until a signal, a seccomp stop or an event.
    Continue,
    /// Also stop at the entry or exit of the next system call.
    Syscall,
    /// Stop at the next system call without executing it (`PTRACE_SYSEMU`).
    Emulate,
    /// One instruction.
    Step,
    /// One instruction; a system call is not executed.
    EmulateStep,
}

impl Stopped {
    pub(crate) fn new(tid: Tid) -> Self {
        Self { tid, end: None, registers: OnceCell::new(), trap: None }
    }

    /// The kernel's number of the task.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// General registers.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn registers(&self) -> Result<Registers, PtraceError> {
        if let Some(known) = self.registers.get() {
            return Ok(**known);
        }
        let mut raw = [0_u64; Registers::COUNT];
        ptrace_with("PTRACE_GETREGS", libc::PTRACE_GETREGS, self.tid, 0, &mut raw)?;
        let registers = Registers::from_array(raw);
        Ok(**self.registers.get_or_init(|| Box::new(registers)))
    }

    /// Sets the general registers.
    ///
    /// # Errors
    /// When the task is gone, or a value is refused (a segment, a non-canonical base).
    pub fn set_registers(&mut self, registers: &Registers) -> Result<(), PtraceError> {
        // The kernel takes a part of some of them only.
        self.registers.take();
        let mut raw = registers.to_array();
        ptrace_with("PTRACE_SETREGS", libc::PTRACE_SETREGS, self.tid, 0, &mut raw)
    }

    /// Vector and floating-point registers; MXCSR_MASK, which is none, is zero.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn vector(&self) -> Result<VectorState, PtraceError> {
        // The kernel clears and copies as much as is asked for; how much there is never changes.
        let known = XSAVE_LEN.load(Ordering::Relaxed);
        let mut buffer = vec![0_u8; if known == 0 { MAX_XSAVE } else { known }];
        let mut iov = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        ptrace_with("PTRACE_GETREGSET", libc::PTRACE_GETREGSET, self.tid, NT_X86_XSTATE, &mut iov)?;
        XSAVE_LEN.store(iov.iov_len, Ordering::Relaxed);
        buffer.truncate(iov.iov_len);
        if let Some(mask) = buffer.get_mut(MXCSR_MASK) {
            mask.fill(0);
        }
        Ok(VectorState::from_bytes(buffer))
    }

    /// Sets the vector and floating-point registers.
    ///
    /// # Errors
    /// When the task is gone, or the area is not one of this machine's size and features.
    pub fn set_vector(&mut self, state: &VectorState) -> Result<(), PtraceError> {
        let bytes = state.as_bytes();
        let mut iov =
            libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        ptrace_with("PTRACE_SETREGSET", libc::PTRACE_SETREGSET, self.tid, NT_X86_XSTATE, &mut iov)
    }

    /// Whether the task, which the recording filter has stopped at a call's entry, makes a call of the
    /// 32-bit table.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn calls_by_other_table(&self) -> Result<bool, PtraceError> {
        match self.trap {
            Some(trap) => Ok(trap.by_other_table),
            None => Ok(self.event_message()? == u64::from(crate::seccomp::OTHER_TABLE)),
        }
    }

    /// Description of the signal that the task stopped with.
    ///
    /// # Errors
    /// When the task is gone or not in a signal stop.
    pub fn siginfo(&self) -> Result<SigInfo, PtraceError> {
        let mut raw = [0_u8; SigInfo::SIZE];
        ptrace_with("PTRACE_GETSIGINFO", libc::PTRACE_GETSIGINFO, self.tid, 0, &mut raw)?;
        Ok(SigInfo::from_bytes(raw))
    }

    /// Replaces the description of the signal about to be delivered.
    ///
    /// # Errors
    /// When the task is gone or not in a signal stop.
    pub fn set_siginfo(&mut self, info: &SigInfo) -> Result<(), PtraceError> {
        let mut raw = info.to_bytes();
        ptrace_with("PTRACE_SETSIGINFO", libc::PTRACE_SETSIGINFO, self.tid, 0, &mut raw)
    }

    /// Blocked signals: bit n-1 is signal n.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn signal_mask(&self) -> Result<u64, PtraceError> {
        let mut mask = 0_u64;
        ptrace_with("PTRACE_GETSIGMASK", libc::PTRACE_GETSIGMASK, self.tid, 8, &mut mask)?;
        Ok(mask)
    }

    /// Sets the blocked signals.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn set_signal_mask(&mut self, mask: u64) -> Result<(), PtraceError> {
        let mut mask = mask;
        ptrace_with("PTRACE_SETSIGMASK", libc::PTRACE_SETSIGMASK, self.tid, 8, &mut mask)
    }

    /// The event's message: the new task's number, or the exit status.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn event_message(&self) -> Result<u64, PtraceError> {
        let mut message = 0_u64;
        ptrace_with("PTRACE_GETEVENTMSG", libc::PTRACE_GETEVENTMSG, self.tid, 0, &mut message)?;
        Ok(message)
    }

    /// Sets a debug register (0-3: addresses, 6: status, 7: control).
    ///
    /// # Errors
    /// When the task is gone or the value is refused.
    pub(crate) fn set_debug_register(
        &mut self,
        index: usize,
        value: u64,
    ) -> Result<(), PtraceError> {
        let value = usize::try_from(value).unwrap_or(usize::MAX);
        ptrace(
            "PTRACE_POKEUSER (debug register)",
            libc::PTRACE_POKEUSER,
            self.tid,
            DEBUG_REGISTERS + index * 8,
            value,
        )
        .map(drop)
    }

    /// A debug register.
    ///
    /// # Errors
    /// When the task is gone.
    pub(crate) fn debug_register(&self, index: usize) -> Result<u64, PtraceError> {
        let value = ptrace(
            "PTRACE_PEEKUSER (debug register)",
            libc::PTRACE_PEEKUSER,
            self.tid,
            DEBUG_REGISTERS + index * 8,
            0,
        )?;
        Ok(value.cast_unsigned())
    }

    /// Resumes the task, delivering `signal` if it is in a signal stop. (From a system-call stop
    /// the kernel sends it to the task as a new signal instead.)
    ///
    /// # Errors
    /// When the task is gone.
    pub fn resume(self, how: Resume, signal: Option<Signal>) -> Result<Running, PtraceError> {
        self.restart(how, signal)?;
        Ok(Running { tid: self.tid })
    }

    pub(crate) fn restart(&self, how: Resume, signal: Option<Signal>) -> Result<(), PtraceError> {
        let (call, request) = match how {
            Resume::Continue => ("PTRACE_CONT", libc::PTRACE_CONT),
            Resume::Syscall => ("PTRACE_SYSCALL", libc::PTRACE_SYSCALL),
            Resume::Emulate => ("PTRACE_SYSEMU", PTRACE_SYSEMU),
            Resume::Step => ("PTRACE_SINGLESTEP", libc::PTRACE_SINGLESTEP),
            Resume::EmulateStep => ("PTRACE_SYSEMU_SINGLESTEP", PTRACE_SYSEMU_SINGLESTEP),
        };
        let data = signal.map_or(0, |s| usize::try_from(s.number()).unwrap_or(0));
        ptrace(call, request, self.tid, 0, data).map(drop)
    }

    /// Resumes the task and waits until it stops again.
    ///
    /// # Errors
    /// When the task is gone, also if it ends before it stops.
    pub fn resume_and_wait(
        &mut self,
        how: Resume,
        signal: Option<Signal>,
    ) -> Result<StopEvent, PtraceError> {
        self.registers.take();
        self.restart(how, signal)?;
        match wait(self.tid, WaitFlags::Block)? {
            Some(PtraceStop::Stopped(now, event)) => {
                self.registers = now.registers;
                self.trap = now.trap.or(self.trap);
                return Ok(event);
            }
            Some(PtraceStop::Killed { signal, .. }) => self.end = Some(signal),
            _ => self.end = Some(Signal::KILL),
        }
        Err(PtraceError::of("resume and wait", self.tid, nix::errno::Errno::ESRCH))
    }

    /// Resumes a task that is at its exit stop, for good: its end is reported next.
    ///
    /// # Errors
    /// When the task is gone already.
    pub fn let_end(&mut self) -> Result<(), PtraceError> {
        self.registers.take();
        self.restart(Resume::Continue, None)
    }

    /// Makes the task stop again with [`StopEvent::Stop`] when it is resumed: where a group-stop
    /// was left although it is still in effect.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn stop_again(&mut self) -> Result<(), PtraceError> {
        ptrace("PTRACE_INTERRUPT", libc::PTRACE_INTERRUPT, self.tid, 0, 0).map(drop)
    }

    /// Lets the task go, untraced.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn detach(self, signal: Option<Signal>) -> Result<(), PtraceError> {
        let data = signal.map_or(0, |s| usize::try_from(s.number()).unwrap_or(0));
        ptrace("PTRACE_DETACH", libc::PTRACE_DETACH, self.tid, 0, data).map(drop)
    }

    /// Leaves a task in group-stop stopped, but listening for SIGCONT (`PTRACE_LISTEN`).
    ///
    /// # Errors
    /// When the task is gone or not in a group-stop.
    pub fn listen(self) -> Result<Running, PtraceError> {
        ptrace("PTRACE_LISTEN", libc::PTRACE_LISTEN, self.tid, 0, 0)?;
        Ok(Running { tid: self.tid })
    }
}

impl Running {
    /// The kernel's number of the task.
    pub fn tid(&self) -> Tid {
        self.tid
    }
}

/// Makes a task that runs stop soon with [`StopEvent::Stop`]. If it stops for something else first,
/// that stop still follows.
///
/// # Errors
/// When the task is gone.
pub fn interrupt(tid: Tid) -> Result<(), PtraceError> {
    ptrace("PTRACE_INTERRUPT", libc::PTRACE_INTERRUPT, tid, 0, 0).map(drop)
}

/// Sends SIGKILL to a process.
pub fn kill_process(pid: Tid) {
    // SAFETY: kill takes two integers; the worst outcome is ESRCH.
    unsafe { libc::kill(pid.get(), libc::SIGKILL) };
}

/// Sends a signal to a process. One that is gone needs none.
pub fn send_signal(pid: Tid, signal: Signal) {
    // SAFETY: kill takes two integers; the worst outcome is ESRCH.
    unsafe { libc::kill(pid.get(), signal.number()) };
}

/// Sends a signal to one task of a process.
///
/// # Errors
/// When it does not exist or may not be signalled.
pub fn kill_task(pid: Tid, tid: Tid, signal: Signal) -> Result<(), PtraceError> {
    // SAFETY: tgkill takes three integers.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, pid.get(), tid.get(), signal.number()) };
    if result == -1 { Err(PtraceError::last("tgkill", tid)) } else { Ok(()) }
}
