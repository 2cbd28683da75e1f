//! The vsyscall page: three calls at fixed addresses, from before there was a vdso.
//!
//! Executing one of its addresses faults. The kernel makes the call there and returns to the caller
//! (arch/x86/entry/vsyscall/vsyscall_64.c). Seccomp sees such a call; `PTRACE_SYSCALL` and `PTRACE_SYSEMU` do
//! not, and the call has no exit stop.

use retake_model::{PAGE_SIZE, Registers, SigInfo, Signal};
use retake_ptrace::{ProcessMemory, Resume, StopEvent, Stopped};

use crate::inject::InjectError;

/// Where the page is, in every process.
const PAGE: u64 = 0xffff_ffff_ff60_0000;

/// Whether a task with these registers is in the vsyscall page.
pub fn is_vsyscall(registers: &Registers) -> bool {
    registers.rip & !(PAGE_SIZE - 1) == PAGE
}

/// Where a call of the vsyscall page that was not made returned to.
#[derive(Debug)]
pub struct Returned {
    /// Registers of the task, which stands behind its call instruction.
    pub registers: Registers,
    /// Signals that arrived meanwhile; they were held back.
    pub signals: Vec<SigInfo>,
}

/// Lets a task that is at the seccomp stop of such a call return to its caller, without the call. It is stopped
/// before it executes anything there.
///
/// # Errors
/// When the task goes away.
pub fn skip_vsyscall(
    task: &mut Stopped,
    memory: &ProcessMemory,
    entry: &Registers,
) -> Result<Returned, InjectError> {
    if task.is_trapped() {
        // The kernel had let it return before it stopped.
        let rip = memory.read_u64(entry.sp())?;
        let rsp = entry.rsp.wrapping_add(8);
        let registers = Registers { rip, rsp, orig_rax: u64::MAX, ..*entry };
        task.set_registers(&registers)?;
        return Ok(Returned { registers, signals: Vec::new() });
    }
    // The kernel ends a task whose program counter was changed here.
    task.set_registers(&Registers { orig_rax: u64::MAX, ..*entry })?;
    task.stop_again()?;
    let mut signals = Vec::new();
    loop {
        match task.resume_and_wait(Resume::Continue, None)? {
            StopEvent::Stop(Signal::TRAP) => break,
            StopEvent::Stop(_) => {
                // A group-stop. It goes on after the call.
                task.stop_again()?;
                break;
            }
            StopEvent::Signal(_) => signals.push(task.siginfo()?),
            StopEvent::Exit => {
                task.let_end()?;
                return Err(InjectError::Killed(task.tid()));
            }
            other => return Err(InjectError::Unexpected(other)),
        }
    }
    Ok(Returned { registers: task.registers()?, signals })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_found_by_the_program_counter() {
        let at = |rip| is_vsyscall(&Registers { rip, ..Registers::default() });
        assert!(at(0xffff_ffff_ff60_0000) && at(0xffff_ffff_ff60_0800));
        assert!(!at(0xffff_ffff_ff60_1000) && !at(0xff60_0000) && !at(u64::MAX));
    }
}
