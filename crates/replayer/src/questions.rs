//! Questions of the code that makes calls without a stop.
//!
//! That code asks the kernel whether a call would wait, and what a file is that was opened (`retake_tracee::fast`): by
//! calls that are no events. What it was told shows in what the task does next.

use retake_model::{Registers, Signal, TaskId};
use retake_ptrace::{Resume, StopEvent};
use retake_tracee::fast::{FastCode, WOULD_NOT_WAIT};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::run::TRAP_FLAG;

/// What the code was told that asked with these registers, by those that the task had at its next event.
fn told(code: &FastCode, asking: &Registers, next: &Registers) -> u64 {
    let pc = next.pc();
    if pc == asking.pc() {
        // It was killed there.
        next.rax
    } else if pc > code.after_probe && pc <= code.after_call {
        WOULD_NOT_WAIT
    } else {
        0
    }
}

impl Machine {
    /// What a task goes on with that has stopped with these registers, if it was to ask a question.
    pub(crate) fn behind_question(
        &mut self,
        id: TaskId,
        stop: StopEvent,
        registers: &Registers,
    ) -> Result<Option<Registers>, Failure> {
        let Some(code) = self.fast_code.clone() else { return Ok(None) };
        if stop != StopEvent::Syscall || !code.is_question(registers.pc()) {
            return Ok(None);
        }
        let next = self.peek()?.map(|(_, event)| event).filter(|event| event.task == id);
        let is_killed_in_it = |before: &Registers| {
            before.pc() == registers.pc() && before.orig_rax.cast_signed() >= 0
        };
        if next.is_some_and(|event| is_killed_in_it(&event.before)) {
            // The question was never answered: the stop is that of its last event.
            return Ok(None);
        }
        let rax = next.map_or(0, |event| told(&code, registers, &event.before));
        // The processor has left the flags in `r11`, without those of a step, and the next address in `rcx`.
        let r11 = registers.r11 & !TRAP_FLAG;
        Ok(Some(Registers { rax, orig_rax: u64::MAX, r11, ..*registers }))
    }

    /// Resumes a task until it stops for what the program does.
    pub(crate) fn resume(&mut self, id: TaskId, how: Resume) -> Result<StopEvent, Failure> {
        loop {
            let stop = self.resume_until(id, how, None)?;
            let registers = self.task(id)?.stopped.registers()?;
            let Some(behind) = self.behind_question(id, stop, &registers)? else {
                return Ok(stop);
            };
            self.task(id)?.go_on_with(&behind)?;
            if how == Resume::EmulateStep {
                return Ok(StopEvent::Signal(Signal::TRAP));
            }
        }
    }
}
