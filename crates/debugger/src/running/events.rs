//! Runs that stop at events.

use retake_execution::{Direction, EventFilter, Execution, Stop, StopReason};
use retake_model::{EventIndex, Position, SyscallNo};

use super::Goals;
use crate::breakpoint::{BreakpointId, CatchKind};
use crate::names::closest;
use crate::{DebugError, Debugger};

/// A catch and its events.
pub(super) type Caught = (BreakpointId, EventFilter);

/// The events that a catch means; `None` for what is caught in code.
pub(crate) fn event_filter(
    execution: &dyn Execution,
    what: &CatchKind,
) -> Result<Option<EventFilter>, DebugError> {
    Ok(Some(match what {
        CatchKind::Syscall(None) => EventFilter::Syscall(None),
        CatchKind::Syscall(Some(name)) => EventFilter::Syscall(Some(syscall(execution, name)?)),
        CatchKind::Signal(signal) => EventFilter::Signal(*signal),
        CatchKind::Fork => EventFilter::Fork,
        CatchKind::Exec => EventFilter::Exec,
        CatchKind::Exit => EventFilter::Exit,
        CatchKind::Throw => return Ok(None),
        CatchKind::Output(text) if text.is_empty() => {
            let what = "there is nothing to catch: write the text that the output has, as in catch output error";
            return Err(DebugError::NotFound(what.to_owned()));
        }
        CatchKind::Output(text) => EventFilter::Output(text.as_bytes().to_vec()),
    }))
}

/// The system call of a name or number.
fn syscall(execution: &dyn Execution, name: &str) -> Result<SyscallNo, DebugError> {
    let names = execution.syscall_names();
    if let Some(found) = names.iter().find(|known| known.name == name) {
        return Ok(found.no);
    }
    if let Ok(number) = name.parse() {
        return Ok(SyscallNo::new(number));
    }
    let like = closest(name, names.iter().map(|known| known.name));
    let hint = like.map_or_else(
        || "write a name as in retake events, or a number".to_owned(),
        |like| format!("did you mean {like}?"),
    );
    Err(DebugError::NotFound(format!("there is no system call {name:?}: {hint}")))
}

impl Debugger {
    /// All catches of events.
    pub(super) fn caught(&self) -> Result<Vec<Caught>, DebugError> {
        let mut all = Vec::new();
        for catch in self.breakpoints.catches() {
            let filter = event_filter(self.execution.as_ref(), &catch.what)?;
            all.extend(filter.map(|filter| (catch.id, filter)));
        }
        Ok(all)
    }

    /// Runs to the first stop of all, or to right before an event that is caught. Says which event that is.
    pub(super) fn first_stop_or_event(
        &mut self,
        direction: Direction,
        goals: &Goals,
        caught: &[Caught],
        limit: Option<Position>,
    ) -> Result<(Stop, Option<EventIndex>), DebugError> {
        let from = self.execution.position();
        let mut kinds: Vec<_> = caught.iter().map(|(_, filter)| filter.clone()).collect();
        if direction == Direction::Forward {
            // These stop every run.
            kinds.push(EventFilter::Fatal);
        }
        let mut search = from.event();
        loop {
            let next = self.execution.find_event(direction, search, &kinds)?;
            let is_within = |event: &EventIndex| match (direction, limit) {
                (_, None) => true,
                // The place of the limit's own event comes behind the limit.
                (Direction::Forward, Some(limit)) => *event < limit.event(),
                (Direction::Backward, Some(limit)) => *event >= limit.event(),
            };
            let Some(event) = next.filter(is_within) else {
                return Ok((self.first_stop(direction, goals, limit)?, None));
            };
            // As far as is known without a look at the event's own place.
            let near = match direction {
                Direction::Forward => Position::at_event(event),
                Direction::Backward => Position::at_event(event.next()),
            };
            if self.stops_before(near, direction, goals) {
                let stop = self.first_stop(direction, goals, Some(near))?;
                let is_watch = |reason: &StopReason| matches!(reason, StopReason::Watch(_));
                if stop.position != near || stop.reasons.iter().any(is_watch) {
                    return Ok((stop, None));
                }
            }
            let last = self.execution.position();
            let before = self.execution.seek_before(event)?;
            if before.position == from {
                // This is the one that the last run stopped at.
                search = event.next();
                continue;
            }
            if direction == Direction::Forward && self.may_stop(goals) {
                self.execution.seek(last)?;
                let bound = Some(before.position);
                let stop = self.first_stop(direction, goals, bound)?;
                if stop.position != before.position {
                    return Ok((stop, None));
                }
            }
            return Ok((before, Some(event)));
        }
    }

    fn may_stop(&self, goals: &Goals) -> bool {
        !goals.are_none() || !self.watches.all().is_empty()
    }

    /// Whether anything but the event may stop a run to a position.
    fn stops_before(&self, near: Position, direction: Direction, goals: &Goals) -> bool {
        let here = self.execution.position();
        let is_ahead = match direction {
            Direction::Forward => here < near,
            Direction::Backward => here > near,
        };
        is_ahead && self.may_stop(goals)
    }

    /// Which catches an event is of.
    pub(super) fn catches_of(
        &mut self,
        event: EventIndex,
        caught: &[Caught],
    ) -> Result<Vec<BreakpointId>, DebugError> {
        let mut all = Vec::new();
        for (id, filter) in caught {
            let kinds = std::slice::from_ref(filter);
            let found = self.execution.find_event(Direction::Backward, event.next(), kinds)?;
            if found == Some(event) {
                all.push(*id);
            }
        }
        Ok(all)
    }
}
