//! The probe of calls that were recorded without a stop.
//!
//! Before such a call, code of retake's in the program may ask whether it would wait (`retake_tracee::fast`): by a
//! call at a place of its own, which is no event. What it was told shows in what the task does next.

use retake_model::{Registers, Signal, TaskId};
use retake_ptrace::{Resume, StopEvent};
use retake_tracee::fast::{FastCode, WOULD_NOT_WAIT};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::run::TRAP_FLAG;

/// What the probe said, by the registers that the task had at its next event.
fn probed(code: &FastCode, next: &Registers) -> u64 {
    let pc = next.pc();
    if pc == code.after_probe {
        // It was killed there.
        next.rax
    } else if pc > code.after_probe && pc <= code.after_call {
        WOULD_NOT_WAIT
    } else {
        0
    }
}

impl Machine {
    /// What a task goes on with that has stopped with these registers, if it stopped at the probe.
    pub(crate) fn behind_probe(
        &mut self,
        id: TaskId,
        stop: StopEvent,
        registers: &Registers,
    ) -> Result<Option<Registers>, Failure> {
        let Some(code) = self.fast_code.clone() else { return Ok(None) };
        if stop != StopEvent::Syscall || registers.pc() != code.after_probe {
            return Ok(None);
        }
        let next = self.peek()?.map(|(_, event)| event).filter(|event| event.task == id);
        let answer = next.map_or(0, |event| probed(&code, &event.before));
        // The processor has left the flags in `r11`, without those of a step, and the next address in `rcx`.
        let r11 = registers.r11 & !TRAP_FLAG;
        Ok(Some(Registers { rax: answer, orig_rax: u64::MAX, r11, ..*registers }))
    }

    /// Resumes a task until it stops for what the program does.
    pub(crate) fn resume(&mut self, id: TaskId, how: Resume) -> Result<StopEvent, Failure> {
        loop {
            let stop = self.resume_until(id, how, None)?;
            let registers = self.task(id)?.stopped.registers()?;
            let Some(behind) = self.behind_probe(id, stop, &registers)? else { return Ok(stop) };
            self.task(id)?.go_on_with(&behind)?;
            if how == Resume::EmulateStep {
                return Ok(StopEvent::Signal(Signal::TRAP));
            }
        }
    }
}
