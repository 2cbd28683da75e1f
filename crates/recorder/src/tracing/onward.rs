//! How a task goes on that its tracer has let go.

use retake_model::Registers;
use retake_ptrace::{PtraceStop, Resume, StopEvent, Stopped, kill_task};

use super::told::Step;
use super::{Mode, Resumption, Standing};
use crate::calls::begun::Begun;
use crate::calls::retire::Ended;
use crate::error::RecordError;
use crate::next::{Next, call_number, resumed};
use crate::places::Found;
use crate::places::nearby::{TRAP_FLAG, step_once};
use crate::seccomp::act::Filters;
use crate::session::Session;
use crate::signals::disposition::{Disposition, disposition};
use crate::signals::holding::is_synchronous;
use crate::tasks::Task;

/// What a tracer has made of a task that is to go on.
#[derive(Debug)]
pub(crate) enum Onward {
    /// It goes on with its own code.
    AsEver(Stopped),
    /// It has come to something.
    To(Next),
}

impl Session {
    /// A task goes on that may have been stopped by a tracer.
    pub(crate) fn go_on_for_tracer(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Onward, RecordError> {
        let Some(Resumption { standing, signal }) = task.resumes.take() else {
            return Ok(Onward::AsEver(stopped));
        };
        match standing {
            Standing::Event => {}
            Standing::CallEntry => {
                return self.call_goes_on(task, stopped, Filters::Ask).map(Onward::To);
            }
            Standing::FilterAsked => {
                return self.call_goes_on(task, stopped, Filters::HaveAsked).map(Onward::To);
            }
            Standing::InCall => {
                return Ok(Onward::To(resumed(
                    stopped.resume(Resume::Syscall, None)?,
                    Next::Waiting,
                )));
            }
            Standing::End => return self.task_ends(task, stopped).map(Onward::To),
        }
        if let Some(info) = signal
            && let Ok(number) = info.signal()
        {
            let registers = task.registers;
            let ignored = disposition(task, number)? == Disposition::Ignored;
            if stopped.signal_mask()? & number.mask_bit() != 0 {
                // It waits until it is not blocked any more, and is told of again then.
                kill_task(task.pid, task.tid, number)?;
            } else if !ignored || is_synchronous(number, &info) {
                set_decided(task, true);
                let next = self.deliver_here(task, stopped, &registers, &info);
                set_decided(task, false);
                // A step ends at the first instruction of a handler.
                let steps = task.traced.as_ref().is_some_and(|traced| traced.mode.steps());
                if let (Ok(Next::Ready(_)), Some(traced)) = (&next, &mut task.traced) {
                    traced.steps = steps.then_some(Step::Handler);
                }
                return next.map(Onward::To);
            }
        }
        if task.traced.is_none() {
            return Ok(Onward::AsEver(stopped));
        }
        if task.traced.as_ref().is_some_and(|traced| !traced.due.is_empty()) {
            return Ok(Onward::To(Next::Ready(stopped)));
        }
        if let Some(info) = task.take_deliverable(&stopped)? {
            let registers = task.registers;
            return self
                .world
                .report_signal(&mut self.book, task, stopped, &registers, info)
                .map(Onward::To);
        }
        match task.traced.as_ref().is_some_and(|traced| traced.mode.steps()) {
            true => self.step_for_tracer(task, stopped).map(Onward::To),
            false => Ok(Onward::AsEver(stopped)),
        }
    }

    /// Executes one instruction: an event in the middle of code. One that is left while it is not complete
    /// (`rep movsb`) is executed to its end.
    fn step_for_tracer(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
    ) -> Result<Next, RecordError> {
        task.disarm(&mut stopped)?;
        task.watch_for_tracer(&mut stopped)?;
        let before = PushedFlags::at(task);
        if let Some(traced) = &mut task.traced {
            traced.steps = Some(Step::Instruction);
        }
        if let Some(event) = step_once(task, &mut stopped)? {
            // A call, a signal: the step ends with that.
            if let (StopEvent::Seccomp, Some(traced)) = (event, &mut task.traced) {
                traced.steps = Some(Step::Call);
            }
            return self.handle(task, stopped, event);
        }
        task.note_hit(&stopped)?;
        if before == PushedFlags::Yes {
            hide_pushed_trap_flag(task, &stopped)?;
        }
        let found = match &self.turns.ticker {
            Some(ticker) => {
                let found = Found::Place(stopped, None).past_steps(task, ticker);
                ticker.every(crate::scheduler::TICK);
                found?
            }
            None => Found::Place(stopped, None),
        };
        match found {
            Found::Place(stopped, _) => self.preempt_at_first(task, stopped, None).map(Next::Ready),
            Found::Stop(PtraceStop::Stopped(stopped, event)) => self.handle(task, stopped, event),
            Found::Stop(stop) => self.handle_stop(task, stop),
        }
    }

    /// A task goes on from the entry of a call that its tracer was told of.
    fn call_goes_on(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        filters: Filters,
    ) -> Result<Next, RecordError> {
        let entry = stopped.registers()?;
        let emulated = task.traced.as_ref().is_some_and(|traced| traced.emulates);
        if let Some(traced) = task.traced.as_mut().filter(|traced| traced.mode == Mode::Steps) {
            traced.steps = Some(Step::Call);
        }
        if !emulated && entry.orig_rax.cast_signed() >= 0 {
            return self.make_call(task, stopped, &entry, filters);
        }
        // No call is made, and the task has the result that its tracer has put there.
        task.entry_recorded = false;
        let after = Registers { orig_rax: u64::MAX, ..entry };
        stopped.set_registers(&after)?;
        let draft = self.book.draft();
        let no = match task.traced.as_ref().and_then(|traced| traced.call) {
            Some(call) => call_number(&Registers { orig_rax: call, ..entry }),
            None => call_number(&entry),
        };
        let begun = Begun::Recorded;
        self.book.retire(task, draft, Ended { no, begun, before: &entry, after: &after })?;
        Ok(Next::Ready(stopped))
    }
}

/// Whether the instruction of a step pushes the flags, with the step's own trap flag in them (Intel SDM vol. 2, PUSHF).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PushedFlags {
    Yes,
    No,
}

impl PushedFlags {
    fn at(task: &Task) -> Self {
        const PUSHF: u8 = 0x9c;
        const OPERAND_SIZE: u8 = 0x66;
        let mut code = [0; 2];
        let got = task.memory.read(task.registers.pc(), &mut code).unwrap_or(0);
        match code {
            [PUSHF, _] if got > 0 => Self::Yes,
            [OPERAND_SIZE, PUSHF] => Self::Yes,
            _ => Self::No,
        }
    }
}

fn hide_pushed_trap_flag(task: &mut Task, stopped: &Stopped) -> Result<(), RecordError> {
    let sp = stopped.registers()?.sp();
    let word = task.memory.read_u64(sp)? & !TRAP_FLAG;
    let [first, second, ..] = word.to_le_bytes();
    Ok(task.memory.write(sp, &[first, second])?)
}

/// Whether the signal that the task gets now was chosen by its tracer.
fn set_decided(task: &mut Task, decided: bool) {
    let Some(traced) = &mut task.traced else { return };
    traced.decided = decided;
}
