//! Hits that are counted for each thread apart, where there are not too many, and hits whose condition the recorded
//! program cannot judge: they are gone through once, and those to stop at are kept.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use retake_execution::{Direction, Hit, Seen, State};
use retake_model::{Place, Position, TaskId};

use crate::breakpoint::{BreakpointId, Counted, HitCondition, SiteTable};
use crate::expr::Expression;
use crate::variables::Arrived;
use crate::{DebugError, Debugger};

/// More hits are counted inside the program, once for each thread.
const MOST: u64 = 100_000;

/// More hits are not looked at to judge a condition: a million take half a minute.
const MOST_JUDGED: u64 = 10_000_000;

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
    /// The hits of each breakpoint that counts threads apart, if they can be listed, and of each one whose condition
    /// is judged here.
    pub(super) fn listed(&mut self) -> Result<Vec<Listed>, DebugError> {
        let mut all = Vec::new();
        for breakpoint in self.breakpoints.all() {
            let counts_apart =
                breakpoint.hits.is_some_and(|hits| hits.counted == Counted::PerThread);
            let is_listed = counts_apart && breakpoint.thread.is_none();
            if is_listed || breakpoint.is_judged_here() {
                let condition =
                    breakpoint.condition.clone().filter(|_| breakpoint.is_judged_here());
                all.push((breakpoint.id, breakpoint.hits, condition, SiteTable::new([breakpoint])));
            }
        }
        let mut listed = Vec::new();
        for (breakpoint, hits, condition, table) in all {
            let positions = match self.history.stops(breakpoint) {
                Some(known) => known,
                None => {
                    let found = self.list_stops(hits, condition.as_ref(), &table)?;
                    self.history.set_stops(breakpoint, found.clone());
                    found
                }
            };
            listed.extend(positions.map(|positions| Listed { breakpoint, positions }));
        }
        Ok(listed)
    }

    /// The hits with certain numbers among those at which a condition holds; `None` if there are too many to look at
    /// each, or their order cannot be told.
    fn list_stops(
        &mut self,
        hits: Option<HitCondition>,
        condition: Option<&Expression>,
        table: &SiteTable,
    ) -> Result<Option<Rc<[Position]>>, DebugError> {
        let total = self.execution.count_hits(table.sites(), None)?;
        match condition {
            None if total > MOST => return Ok(None),
            Some(condition) if total > MOST_JUDGED => {
                let what = format!(
                    "the condition {condition} has to be judged at each of {total} arrivals, which are too many: \
                     compare integers of variables that are in memory or registers"
                );
                return Err(DebugError::NotFound(what));
            }
            _ => {}
        }
        let scopes = self.scopes_of(table);
        let events = self.execution.event_count();
        let look = |hit: &Hit, state: &dyn State| -> Seen {
            let site = table.target(hit.site).and_then(|target| scopes.get(&target));
            let holds = |condition| Arrived::new(state, hit, events, site).holds(condition);
            let holds = condition.is_none_or(holds);
            holds.then(|| Box::new(()) as Box<dyn Any + Send>)
        };
        let mut counts: BTreeMap<Option<TaskId>, u64> = BTreeMap::new();
        let (mut found, mut in_order) = (Vec::new(), true);
        self.execution.look_at_hits(table.sites(), &look, &mut |hit, seen| {
            if seen.is_none() {
                return ControlFlow::Continue(());
            }
            let apart = hits.is_some_and(|hits| hits.counted == Counted::PerThread);
            let count = counts.entry(apart.then_some(hit.task)).or_default();
            *count += 1;
            in_order &= matches!(hit.position.place(), Place::Exact(_));
            if hits.is_none_or(|hits| hits.numbers.contains(*count)) {
                found.push(hit.position);
            }
            if in_order { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(in_order.then(|| found.into()))
    }
}
