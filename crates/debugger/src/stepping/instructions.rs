//! Steps over instructions that do not go into calls.

use retake_execution::Direction;
use retake_model::{Addr, TaskId};

use super::Ended;
use super::sites::StepSites;
use crate::{DebugError, Debugger};

impl Debugger {
    /// One instruction; a call with all that it does is one.
    pub(super) fn next_instruction(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let before = self.execution.program_registers(task)?;
        let ended = self.one(task, Direction::Forward)?;
        let Ended::Done(stop) = ended else { return Ok(ended) };
        let Some(behind) = self.return_address_of_call(task, before.rip, before.rsp)? else {
            return Ok(Ended::Done(stop));
        };
        let mut sites = StepSites::default();
        sites.after(task, behind, Addr::new(before.rsp));
        self.run_to(Direction::Forward, &sites.sites)
    }

    /// The same backwards.
    pub(super) fn previous_instruction(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let after = self.execution.program_registers(task)?;
        let ended = self.one(task, Direction::Backward)?;
        let Ended::Done(stop) = ended else { return Ok(ended) };
        let now = self.execution.program_registers(task)?;
        // A return leads here from a frame inside: from below, to behind its call.
        let from_inside = now.rsp < after.rsp && !(now.rip..now.rip + 16).contains(&after.rip);
        if !from_inside {
            return Ok(Ended::Done(stop));
        }
        let mut sites = StepSites::default();
        for len in 2..=7 {
            if let Some(call) = Addr::new(after.rip).checked_sub(len) {
                sites.exactly(task, call, after.rsp);
            }
        }
        self.run_to(Direction::Backward, &sites.sites)
    }

    /// Where a call returns to that a task has just made, from `pc` with the stack pointer `sp`; `None` if it
    /// made none.
    pub(super) fn return_address_of_call(
        &self,
        task: TaskId,
        pc: u64,
        sp: u64,
    ) -> Result<Option<Addr>, DebugError> {
        let now = self.execution.program_registers(task)?;
        let mut word = [0; 8];
        let pushed = now.rsp == sp.wrapping_sub(8)
            && self.execution.read_memory(task, now.sp(), &mut word).is_ok();
        let back = u64::from_le_bytes(word);
        // The longest call has seven bytes, with prefixes and a displacement a few more.
        let is_call = pushed && (1..=15).contains(&back.wrapping_sub(pc)) && now.rip != back;
        Ok(is_call.then(|| Addr::new(back)))
    }
}
