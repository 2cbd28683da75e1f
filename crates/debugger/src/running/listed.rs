//! Hits that are counted for each thread apart, where there are not too many: they are gone through once, and
//! those to stop at are kept.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use retake_execution::Direction;
use retake_model::{Place, Position, TaskId};

use crate::breakpoint::{BreakpointId, Counted, HitCondition, SiteTable};
use crate::{DebugError, Debugger};

/// More hits are counted inside the program, once for each thread.
const MOST: u64 = 100_000;

/// Hits at which a breakpoint stops.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) breakpoint: BreakpointId,
    /// In order.
    pub(super) positions: Rc<[Position]>,
}

impl Listed {
    /// The next of them from a position.
    pub(super) fn next(&self, direction: Direction, from: Position) -> Option<Position> {
        match direction {
            Direction::Forward => {
                let next = self.positions.partition_point(|position| *position <= from);
                self.positions.get(next).copied()
            }
            Direction::Backward => {
                let end = self.positions.partition_point(|position| *position < from);
                self.positions.get(end.checked_sub(1)?).copied()
            }
        }
    }
}

impl Debugger {
    /// The hits of each breakpoint that counts threads apart, if they can be listed.
    pub(super) fn listed(&mut self) -> Result<Vec<Listed>, DebugError> {
        let mut all = Vec::new();
        for breakpoint in self.breakpoints.all() {
            let Some(hits @ HitCondition { counted: Counted::PerThread, .. }) = breakpoint.hits
            else {
                continue;
            };
            if breakpoint.thread.is_none() {
                all.push((breakpoint.id, hits, SiteTable::new([breakpoint])));
            }
        }
        let mut listed = Vec::new();
        for (breakpoint, hits, table) in all {
            let positions = match self.history.stops(breakpoint) {
                Some(known) => known,
                None => {
                    let found = self.list_stops(hits, &table)?;
                    self.history.set_stops(breakpoint, found.clone());
                    found
                }
            };
            listed.extend(positions.map(|positions| Listed { breakpoint, positions }));
        }
        Ok(listed)
    }

    /// The hits with certain numbers among those of their thread; `None` if there are too many to look at each, or
    /// their order cannot be told.
    fn list_stops(
        &mut self,
        hits: HitCondition,
        table: &SiteTable,
    ) -> Result<Option<Rc<[Position]>>, DebugError> {
        if self.execution.count_hits(table.sites(), None)? > MOST {
            return Ok(None);
        }
        let mut counts: BTreeMap<TaskId, u64> = BTreeMap::new();
        let (mut found, mut in_order) = (Vec::new(), true);
        self.execution.look_at_hits(table.sites(), &|_, _| None, &mut |hit, _| {
            let count = counts.entry(hit.task).or_default();
            *count += 1;
            in_order &= matches!(hit.position.place(), Place::Exact(_));
            if hits.numbers.contains(*count) {
                found.push(hit.position);
            }
            if in_order { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(in_order.then(|| found.into()))
    }
}
