//! Calls made by a stopped task on our behalf.

use retake_abi::Errno;
use retake_model::{Addr, Registers, SigInfo, Signal, SyscallNo, Tid};
use retake_ptrace::{ProcessMemory, PtraceError, Resume, StopEvent, Stopped};

use crate::image::InjectPage;

/// What came of an injected call.
#[derive(Debug)]
pub struct Injected {
    /// The kernel's result: negative numbers are errors.
    pub result: i64,
    /// The task that `clone` made, if it did.
    pub child: Option<Tid>,
    /// Signals that arrived meanwhile; they were held back.
    pub signals: Vec<SigInfo>,
}

/// A call could not be injected.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The task went away, or ptrace failed.
    #[error("inject a call: {0}")]
    Ptrace(#[from] PtraceError),
    /// The task was killed in the middle of the call.
    #[error("inject a call: task {0} was killed")]
    Killed(Tid),
    /// The task faults at the call: its code there is gone.
    #[error("inject a call: there is no code at {0} any more")]
    NoCode(Addr),
    /// The task stopped for something that no injected call causes.
    #[error("inject a call: the task stopped for {0:?} instead")]
    Unexpected(StopEvent),
}

impl InjectError {
    /// Whether the task went away.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Ptrace(error) => error.is_gone(),
            Self::Killed(_) => true,
            Self::NoCode(_) | Self::Unexpected(_) => false,
        }
    }
}

/// How the end of an injected call is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// By the kernel's stops at entry and exit of calls.
    CallStops,
    /// By the breakpoint behind the call: one stop instead of two.
    Breakpoint,
}

/// Makes the stopped task of a program execute one system call at [`InjectPage::ADDR`]. Its registers
/// are left changed: the caller sets them back. What it does at signals is as before.
///
/// # Errors
/// When the task goes away.
pub fn inject(
    task: &mut Stopped,
    base: &Registers,
    no: SyscallNo,
    args: [u64; 6],
) -> Result<Injected, InjectError> {
    inject_at(task, base, InjectPage::ADDR, no, args)
}

fn inject_at(
    task: &mut Stopped,
    base: &Registers,
    at: Addr,
    no: SyscallNo,
    args: [u64; 6],
) -> Result<Injected, InjectError> {
    let done = run_call(task, base, at, no, args, Ending::CallStops)?;
    if base.orig_rax.cast_signed() >= 0 && is_restart(base) {
        // Only on the way through its signals the kernel sets an interrupted call back.
        task.stop_again()?;
    }
    Ok(done)
}

/// Like [`inject`] in a task of a replay, for less. The SIGTRAP of the breakpoint is forced on it: the
/// kernel unblocks that signal and takes its handler away (kernel/signal.c, `force_sig_info_to_task`),
/// which matters in a program that gets signals from the kernel.
///
/// # Errors
/// When the task goes away.
pub fn inject_in_replay(
    task: &mut Stopped,
    base: &Registers,
    no: SyscallNo,
    args: [u64; 6],
) -> Result<Injected, InjectError> {
    run_call(task, base, InjectPage::ADDR, no, args, Ending::Breakpoint)
}

/// Like [`inject`] before the page exists: the code is put at the task's program counter for the
/// time of the call.
///
/// # Errors
/// When the task goes away or its code cannot be written.
pub fn call_in_place(
    task: &mut Stopped,
    memory: &mut ProcessMemory,
    base: &Registers,
    no: SyscallNo,
    args: [u64; 6],
) -> Result<Injected, InjectError> {
    let mut saved = [0; InjectPage::CODE.len()];
    memory.read_exact(base.pc(), &mut saved)?;
    memory.write(base.pc(), &InjectPage::CODE)?;
    let done = inject_at(task, base, base.pc(), no, args);
    // The memory of a task that was killed cannot be written: that it was killed is what counts.
    let restored = memory.write(base.pc(), &saved);
    let done = done?;
    restored?;
    Ok(done)
}

/// Whether the call that ended with these registers is to be made again by the kernel.
fn is_restart(registers: &Registers) -> bool {
    Errno::from_result(registers.rax.cast_signed()).is_some_and(Errno::is_restart)
}

/// Whether the kernel may be about to put back the mask from before an interrupted call, such as ppoll(2).
/// Setting a mask would end that.
fn may_restore_mask(registers: &Registers) -> bool {
    registers.orig_rax.cast_signed() >= 0
        && Errno::from_result(registers.rax.cast_signed()).is_some_and(Errno::is_interruption)
}

/// Whether an instruction of the task's own caused the signal (`si_code` above 0, sigaction(2)).
fn is_fault(signal: Signal, info: &SigInfo) -> bool {
    [Signal::SEGV, Signal::BUS, Signal::ILL].contains(&signal) && info.code() > 0
}

/// Whether the program counter is at the injected `syscall` or right behind it.
fn is_within(pc: Addr, at: Addr) -> bool {
    pc.offset_from(at).is_some_and(|offset| offset <= InjectPage::SYSCALL_LEN)
}

/// So many signals may arrive during an injected call before they are made to wait.
const FEW: u32 = 3;

fn run_call(
    task: &mut Stopped,
    base: &Registers,
    at: Addr,
    no: SyscallNo,
    args: [u64; 6],
    ending: Ending,
) -> Result<Injected, InjectError> {
    let [rdi, rsi, rdx, r10, r8, r9] = args;
    let registers = Registers {
        rip: at.get(),
        rax: u64::from(no.get()),
        orig_rax: u64::MAX,
        rdi,
        rsi,
        rdx,
        r10,
        r8,
        r9,
        ..*base
    };
    let how = match ending {
        Ending::CallStops => Resume::Syscall,
        Ending::Breakpoint => Resume::Continue,
    };
    task.set_registers(&registers)?;
    let mut child = None;
    let mut signals = Vec::new();
    // What the task blocks, if that was changed for the call.
    let (mut arrived, mut mask) = (0, None);
    let (mut stopped_by_group, mut had_fault) = (false, false);
    let mut entered = false;
    let result = loop {
        match task.resume_and_wait(how, None)? {
            StopEvent::Signal(Signal::TRAP) if ending == Ending::Breakpoint => {
                break task.registers()?.rax.cast_signed();
            }
            StopEvent::Signal(signal) => {
                let info = task.siginfo()?;
                if is_fault(signal, &info) && is_within(task.registers()?.pc(), at) {
                    if had_fault || is_within(info.fault_addr(), at) {
                        // Holding the signal back would only repeat the fault, for ever.
                        return Err(InjectError::NoCode(at));
                    }
                    // Of an instruction of the task's: the stop in which the call is made came before that
                    // of the fault. It faults again when the task goes on.
                    had_fault = true;
                    continue;
                }
                // As in the kernel, one that waits already is enough.
                let merged = !signal.is_realtime()
                    && signals.iter().any(|held: &SigInfo| held.signal() == Ok(signal));
                if !merged {
                    signals.push(info);
                }
                arrived += 1;
                if arrived >= FEW && !may_restore_mask(base) {
                    // A timer that is faster than the call would keep it from ever being made.
                    let now = task.signal_mask()?;
                    mask = mask.or(Some(now));
                    task.set_signal_mask(now | signal.mask_bit())?;
                }
            }
            StopEvent::Syscall => {
                let now = task.registers()?;
                // The exit of a call that was set aside comes first.
                if Some(now.pc()) == at.checked_add(InjectPage::SYSCALL_LEN) {
                    entered = !entered;
                    if !entered && !is_restart(&now) {
                        break now.rax.cast_signed();
                    }
                }
            }
            StopEvent::Seccomp | StopEvent::VforkDone => {}
            StopEvent::Stop(Signal::TRAP) => {}
            StopEvent::Stop(_) => {
                // A group-stop. It goes on after the call.
                stopped_by_group = true;
            }
            StopEvent::Exit => {
                // Killed. Whoever waits for the task next sees its end.
                task.let_end()?;
                return Err(InjectError::Killed(task.tid()));
            }
            StopEvent::Cloned => {
                let message = task.event_message()?;
                child = i32::try_from(message).ok().map(Tid::new);
            }
            other => return Err(InjectError::Unexpected(other)),
        }
    };
    if let Some(mask) = mask {
        task.set_signal_mask(mask)?;
    }
    if stopped_by_group {
        task.stop_again()?;
    }
    Ok(Injected { result, child, signals })
}
