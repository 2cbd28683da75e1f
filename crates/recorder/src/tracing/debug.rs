//! Debug registers that a tracer in the recording has set: its watchpoints stop the task, and the recorder does
//! without any in that task.

use retake_model::{Addr, Registers, SigInfo};
use retake_ptrace::{Stopped, Watchpoint, is_watchpoint};

use crate::error::RecordError;
use crate::next::Next;
use crate::next::normal;
use crate::session::Session;
use crate::tasks::Task;

impl Task {
    /// Whether a tracer has set its debug registers.
    pub(crate) fn is_watched_by_tracer(&self) -> bool {
        self.traced.as_ref().is_some_and(|traced| traced.debug.enabled().next().is_some())
    }

    /// The task is about to run: with the debug registers of its tracer, if that has set any.
    pub(crate) fn watch_for_tracer(&mut self, stopped: &mut Stopped) -> Result<(), RecordError> {
        let Some(traced) = &mut self.traced else { return Ok(()) };
        let points: Vec<_> = traced.debug.points().into_iter().map(|(_, point)| point).collect();
        if points.is_empty() && !traced.watches {
            return Ok(());
        }
        traced.watches = !points.is_empty();
        self.disarm(stopped)?;
        stopped.set_watchpoints(&points)?;
        let registers = stopped.registers()?;
        if points.contains(&Watchpoint::Execute(registers.pc())) {
            // It was told of that one.
            stopped.set_registers(&registers.with_resume_flag())?;
        }
        Ok(())
    }

    /// Notes for its tracer which of them has stopped the task.
    pub(super) fn note_hit(&mut self, stopped: &Stopped) -> Result<(), RecordError> {
        let Some(traced) = self.traced.as_mut().filter(|traced| traced.watches) else {
            return Ok(());
        };
        if let Some(nth) = stopped.hit_watchpoint()? {
            traced.debug.hit(nth);
        }
        Ok(())
    }

    /// Whether a SIGTRAP is that of a debug register which the task's tracer has set.
    pub(crate) fn is_tracers_watchpoint(&self, info: &SigInfo, pc: Addr) -> bool {
        self.is_watched_by_tracer() && is_watchpoint(info, pc, &self.memory)
    }
}

impl Session {
    /// It is: that is an event in the middle of code, and the tracer is told.
    pub(crate) fn at_tracers_watchpoint(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        info: SigInfo,
    ) -> Result<Next, RecordError> {
        task.note_hit(&stopped)?;
        let registers: Registers = normal(&stopped.registers()?);
        if task.mid_code || registers != task.registers {
            stopped = self.preempt(task, stopped, None)?;
        }
        let here = task.registers;
        self.world.report_signal(&mut self.book, task, stopped, &here, info)
    }
}
