//! Hits that are counted: of a breakpoint, by all threads or by one.

use retake_execution::State;
use retake_model::TaskId;

use super::listed::Listed;
use crate::breakpoint::{BreakpointId, Counted, HitNumbers, Owner, SiteTable};
use crate::{DebugError, Debugger};

/// The hits of a breakpoint with a hit condition.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) breakpoint: BreakpointId,
    /// Only those of this thread.
    task: Option<TaskId>,
    pub(super) table: SiteTable,
    /// At which of them to stop.
    pub(super) numbers: HitNumbers,
}

impl Series {
    /// What its numbers are remembered by.
    pub(super) const fn key(&self) -> (BreakpointId, Option<TaskId>) {
        (self.breakpoint, self.task)
    }

    /// Whether the current moment, at which `task` runs, is one of its hits.
    pub(super) fn is_hit(&self, state: &dyn State, task: TaskId) -> bool {
        // Where a task stands after an event it has not arrived yet.
        state.position().place().pc().is_some()
            && self.table.holding(state, task).contains(&Owner::Breakpoint(self.breakpoint))
    }
}

impl Debugger {
    /// All hits that are counted, but for those of breakpoints whose stops are listed.
    pub(super) fn series(&self, listed: &[Listed]) -> Result<Vec<Series>, DebugError> {
        let mut all = Vec::new();
        for breakpoint in self.breakpoints.all() {
            let Some(hits) = breakpoint.hits else { continue };
            if listed.iter().any(|listed| listed.breakpoint == breakpoint.id) {
                continue;
            }
            let mut add = |task: Option<TaskId>| {
                let table = match task {
                    Some(task) => SiteTable::of_task(breakpoint, task),
                    None => SiteTable::new([breakpoint]),
                };
                let (breakpoint, numbers) = (breakpoint.id, hits.numbers);
                all.push(Series { breakpoint, task, table, numbers });
            };
            match (hits.counted, breakpoint.thread) {
                (Counted::PerThread, None) => {
                    self.execution.all_tasks()?.into_iter().for_each(|task| add(Some(task)));
                }
                _ => add(None),
            }
        }
        Ok(all)
    }
}
