//! Single instructions.

use std::num::NonZeroU64;

use retake_execution::{
    Access, Direction, ExecutionError, RunPlan, SignalSet, Stop, StopReason, Watch,
};
use retake_model::{Position, TaskId};

use super::breakpoints::Wanted;
use super::stops::{Moved, Report, Why};
use super::{Outcome, Session};
use crate::link::Link;
use crate::packet::{ThreadRef, Which};

impl Session<'_> {
    pub(super) fn step(&mut self, thread: Option<ThreadRef>, link: &Link) -> Outcome {
        if let Some(outcome) = self.is_held(Why::Trap) {
            return outcome;
        }
        let task = self.stepper(thread);
        self.moving(link, |session, _| session.step_forward(task))
    }

    pub(super) fn step_back(&mut self, link: &Link) -> Outcome {
        if let Some(outcome) = self.is_held(Why::Trap) {
            return outcome;
        }
        let task = self.stepper(None);
        self.moving(link, |session, _| session.one_back(task))
    }

    /// Who steps: the thread that is named, or chosen for it, or that stopped.
    pub(super) fn stepper(&self, thread: Option<ThreadRef>) -> TaskId {
        let named = match thread.map(|thread| thread.thread) {
            Some(Which::One(tid)) => Some(tid),
            _ => self.chosen.step,
        };
        named.and_then(|tid| self.task_of(tid)).unwrap_or(self.stopped.task)
    }

    fn step_forward(&mut self, task: TaskId) -> Result<Report, ExecutionError> {
        let before = self.position();
        if self.life.ends.is_some_and(|ends| before >= ends) {
            return Ok(self.here(Why::End));
        }
        let wanted = self.wanted();
        let told = matches!(self.stopped.why, Why::Signal(_));
        let seen = self.values(&wanted.watches);
        let exec = self.next_exec();
        let stop =
            self.execution.run(&RunPlan::steps(Direction::Forward, task, NonZeroU64::MIN), None)?;
        let after = self.position();
        if exec.is_some_and(|exec| exec <= after) {
            let why = self.exec_here();
            return Ok(Report { task: stop.task, why });
        }
        let why = self.why(&stop, Moved::Yes).unwrap_or(Why::Trap);
        // Others may have run while the task waited, and may have come to a breakpoint.
        let others_ran = after.event().get() > before.event().get() + 1;
        let may_stop = others_ran && !wanted.sites.is_empty()
            || wanted.watches.iter().any(|watch| watch.access != Access::Write)
            || others_ran && !wanted.watches.is_empty()
            || after.event() > before.event() && wanted.signals != SignalSet::NONE && !told;
        if may_stop && let Some(report) = self.first_between(&wanted, before, after)? {
            return Ok(report);
        }
        match self.changed(&seen) {
            Some(watch) => Ok(Report { task: stop.task, why: Why::Watch(watch.range.start()) }),
            None => Ok(Report { task: stop.task, why }),
        }
    }

    /// The first stop between two moments, where the program stands then; it stands at the second if there
    /// is none.
    fn first_between(
        &mut self,
        wanted: &Wanted,
        before: Position,
        after: Position,
    ) -> Result<Option<Report>, ExecutionError> {
        self.execution.seek(before)?;
        let stop = self.run(wanted, Direction::Forward, Some(after))?;
        let is_stop = |reason: &StopReason| {
            matches!(reason, StopReason::Site(_) | StopReason::Watch(_) | StopReason::Signal(_))
        };
        if let Some(why) = self.why(&stop, Moved::Yes)
            && stop.reasons.iter().any(is_stop)
            && self.is_ours(stop.task)
        {
            return Ok(Some(Report { task: stop.task, why }));
        }
        if self.position() != after {
            self.execution.seek(after)?;
        }
        Ok(None)
    }

    fn one_back(&mut self, task: TaskId) -> Result<Report, ExecutionError> {
        let before = self.position();
        let watches = self.wanted().watches;
        let seen = self.values(&watches);
        let stop = self
            .execution
            .run(&RunPlan::steps(Direction::Backward, task, NonZeroU64::MIN), None)?;
        let begins = stop.reasons.contains(&StopReason::Start)
            || self.life.born.is_some_and(|born| self.position() < born);
        if begins {
            // The task has done nothing before this.
            if self.position() != before {
                self.execution.seek(before)?;
            }
            return Ok(Report { task, why: Why::Beginning });
        }
        let why = self.changed(&seen).map_or(Why::Trap, |watch| Why::Watch(watch.range.start()));
        Ok(Report { task: stop.task, why })
    }

    /// What watched memory holds: a step that changes it stops there.
    pub(super) fn values(&self, watches: &[Watch]) -> Vec<(Watch, Vec<u8>)> {
        let value = |watch: &Watch| (*watch, self.value_of(watch));
        watches.iter().map(value).collect()
    }

    fn value_of(&self, watch: &Watch) -> Vec<u8> {
        /// Of longer ones the beginning is compared.
        const MOST: u64 = 4096;
        let len = usize::try_from(watch.range.len().min(MOST)).unwrap_or(0);
        let mut bytes = vec![0; len];
        let got = self.state().read_some(watch.task, watch.range.start(), &mut bytes).unwrap_or(0);
        bytes.truncate(got);
        bytes
    }

    /// Whether a stop is for an access to memory of which only reads count, and that was a write: processors
    /// cannot tell. A write of what was there already is taken for a read.
    pub(super) fn is_write(&self, stop: &Stop, seen: &mut [(Watch, Vec<u8>)]) -> bool {
        let accessed = stop.reasons.iter().find_map(|reason| match reason {
            StopReason::Watch(id) => Some(*id),
            _ => None,
        });
        let mut is_write = false;
        for (watch, value) in seen {
            let now = self.value_of(watch);
            let for_reads = Some(watch.id) == accessed && watch.access == Access::Read;
            is_write |= for_reads && now != *value;
            *value = now;
        }
        is_write
    }

    fn changed(&self, seen: &[(Watch, Vec<u8>)]) -> Option<Watch> {
        let changed = |(watch, value): &&(Watch, Vec<u8>)| self.value_of(watch) != *value;
        seen.iter().find(changed).map(|(watch, _)| *watch)
    }
}
