//! Calls made by a stopped task on our behalf.

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
            Self::Unexpected(_) => false,
        }
    }
}

/// Makes the stopped task execute one system call at [`InjectPage::ADDR`]. Its registers are left
/// changed: the caller sets them back.
///
/// # Errors
/// When the task goes away.
pub fn inject(
    task: &mut Stopped,
    base: &Registers,
    no: SyscallNo,
    args: [u64; 6],
) -> Result<Injected, InjectError> {
    run_call(task, base, InjectPage::ADDR, no, args)
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
    let result = run_call(task, base, base.pc(), no, args);
    memory.write(base.pc(), &saved)?;
    result
}

fn run_call(
    task: &mut Stopped,
    base: &Registers,
    at: Addr,
    no: SyscallNo,
    args: [u64; 6],
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
    task.set_registers(&registers)?;
    let mut child = None;
    let mut signals = Vec::new();
    let mut stopped_by_group = false;
    loop {
        match task.resume_and_wait(Resume::Continue, None)? {
            StopEvent::Signal(Signal::TRAP) => break,
            StopEvent::Signal(_) => signals.push(task.siginfo()?),
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
    }
    if stopped_by_group {
        task.stop_again()?;
    }
    let result = task.registers()?.rax.cast_signed();
    Ok(Injected { result, child, signals })
}
