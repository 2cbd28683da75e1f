//! Faults of the first process of a PID namespace.
//!
//! Signals whose default action is to end the process do not end this one (pid_namespaces(7)), but for those
//! that a fault forces on it. While it is traced, these do not either (kernel/signal.c,
//! `force_sig_info_to_task`): it would have the fault again and again. So it is let go, and has the fault once
//! more with nobody watching: it ends in the way it does by itself, which its parent and its namespace see.

use retake_model::{Registers, Signal};
use retake_ptrace::{Stopped, yield_cpu};
use retake_recording::ExitStatus;

use crate::error::RecordError;
use crate::next::Next;
use crate::session::Session;
use crate::tasks::Task;

/// The last page of user memory, which cannot be mapped (4-level page tables).
const NO_CODE: u64 = 0x7fff_ffff_f000;
/// How often the task is given the CPU to have its fault.
const YIELDS: usize = 4;

/// The registers with which the task has such a fault again.
fn before_fault(task: &Task, signal: Signal, registers: &Registers) -> Registers {
    const INT3: u8 = 0xcc;
    match signal {
        // It may have been for something else than the next instruction, such as a handler's frame.
        Signal::SEGV => Registers { rip: NO_CODE, orig_rax: u64::MAX, ..*registers },
        Signal::TRAP => {
            let before = registers.rip.wrapping_sub(1);
            let mut code = [0];
            let is_read =
                task.memory.read_exact(retake_model::Addr::new(before), &mut code).is_ok();
            let rip = if is_read && code == [INT3] { before } else { registers.rip };
            Registers { rip, ..*registers }
        }
        _ => *registers,
    }
}

impl Session {
    /// A fault ends a task that signals cannot end, and its process. The signal is recorded.
    pub(crate) fn crash_of_unkillable(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        signal: Signal,
    ) -> Result<Next, RecordError> {
        self.record_end(task, ExitStatus::Killed(signal), None)?;
        let again = before_fault(task, signal, &stopped.registers()?);
        stopped.set_registers(&again)?;
        // No handler may run before the fault. What is forced passes by the mask.
        stopped.set_signal_mask(u64::MAX)?;
        stopped.detach(None)?;
        for _ in 0..YIELDS {
            yield_cpu();
        }
        self.world.free_space_of(task);
        Ok(Next::Gone)
    }
}
