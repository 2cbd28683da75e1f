//! Moments by the time at which they were.

use retake_execution::{Clock, ClockRead};
use retake_model::{EventIndex, Position};

use crate::clock::ClockTime;
use crate::{DebugError, Debugger};

/// How far the run was after events, as far as that is known: at the start, at checkpoints, and at the end.
/// In between it is taken to go on evenly from event to event.
#[derive(Debug)]
pub(super) struct RunTimes {
    /// Events and nanoseconds, both ascending.
    points: Vec<(u64, u64)>,
    whole: Option<u64>,
}

impl RunTimes {
    pub(super) fn of(debugger: &Debugger) -> Self {
        let execution = debugger.execution.as_ref();
        let whole = execution.whole_run_time();
        let checkpoints = execution.checkpoints().into_iter();
        let mut points: Vec<(u64, u64)> = vec![(0, 0)];
        let ends = whole.map(|ns| (execution.event_count().get(), ns));
        for (event, ns) in checkpoints.map(|at| (at.event.get(), at.run_time_ns)).chain(ends) {
            match points.last() {
                Some(&(last, time)) if event <= last || ns < time => {}
                _ => points.push((event, ns)),
            }
        }
        Self { points, whole }
    }

    /// The run time of the whole recording; nothing where it breaks off.
    pub(super) fn known_whole(&self) -> Option<u64> {
        self.whole.filter(|ns| *ns > 0)
    }

    /// The run time of the whole recording, as far as it is known.
    pub(super) fn whole(&self) -> Option<u64> {
        self.whole.or_else(|| self.points.last().map(|(_, ns)| *ns)).filter(|ns| *ns > 0)
    }

    /// The run time up to an event.
    pub(super) fn at(&self, event: EventIndex) -> Option<u64> {
        self.whole()?;
        let event = event.get();
        let after = self.points.partition_point(|(at, _)| *at <= event);
        let (from, ns) = *self.points.get(after.checked_sub(1)?)?;
        let Some((to, later)) = self.points.get(after) else { return Some(ns) };
        let share = u128::from(event - from) * u128::from(later - ns) / u128::from(to - from);
        u64::try_from(u128::from(ns) + share).ok()
    }

    /// The last event up to which no more than `ns` had passed.
    pub(super) fn event_at(&self, ns: u64) -> EventIndex {
        let after = self.points.partition_point(|(_, at)| *at <= ns);
        let known = after.checked_sub(1).and_then(|before| self.points.get(before));
        let (from, since) = known.copied().unwrap_or((0, 0));
        let Some((to, later)) = self.points.get(after) else { return EventIndex::new(from) };
        let share = u128::from(ns - since) * u128::from(to - from) / u128::from(later - since);
        EventIndex::new(from.saturating_add(u64::try_from(share).unwrap_or(0)))
    }
}

/// Where the program had run for so long.
pub(super) fn run_time(debugger: &Debugger, ns: u64) -> Result<Position, DebugError> {
    let times = RunTimes::of(debugger);
    match times.whole() {
        Some(whole) if ns <= whole => Ok(Position::at_event(times.event_at(ns))),
        Some(whole) => {
            let what = format!("the program ran for {} only", seconds(whole));
            Err(DebugError::NotFound(what))
        }
        None => Err(unknown()),
    }
}

/// Where so many thousandths of the run time were over.
pub(super) fn share(debugger: &Debugger, per_mille: u32) -> Result<Position, DebugError> {
    if per_mille > 1000 {
        return Err(DebugError::NotFound("a recording has 100 %, no more".to_owned()));
    }
    let times = RunTimes::of(debugger);
    let whole = times.known_whole().ok_or_else(|| {
        let what =
            "this recording breaks off, and does not say how long the program ran: try goto end";
        DebugError::NotFound(what.to_owned())
    })?;
    let ns = u128::from(whole) * u128::from(per_mille) / 1000;
    Ok(Position::at_event(times.event_at(u64::try_from(ns).unwrap_or(whole))))
}

fn unknown() -> DebugError {
    let what = "this recording breaks off before its first checkpoint, and does not say how long the program ran";
    DebugError::NotFound(what.to_owned())
}

/// `12.345 s`
pub(super) fn seconds(ns: u64) -> String {
    format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

/// Right after the program first saw that its clock said so.
pub(super) fn clock(debugger: &Debugger, time: ClockTime) -> Result<Position, DebugError> {
    let reads = real(debugger)?;
    let Some(first) = reads.first() else {
        let what = "the program never asks what time it is: go by its run time (goto 1.5s)";
        return Err(DebugError::NotFound(what.to_owned()));
    };
    let found = reads.iter().find(|read| time.is_reached(read.ns, first.ns));
    let found = found.ok_or_else(|| {
        let last = reads.last().map_or(first.ns, |read| read.ns);
        let (from, to) = (ClockTime::Absolute(first.ns), ClockTime::Absolute(last));
        DebugError::NotFound(format!("the program's clock goes from {from} to {to} (UTC)"))
    })?;
    Ok(Position::at_event(found.event.next()))
}

/// What the program's clock said last, up to an event.
pub(super) fn last_clock(
    debugger: &Debugger,
    event: EventIndex,
) -> Result<Option<String>, DebugError> {
    let reads = real(debugger)?;
    let before = reads.partition_point(|read| read.event < event);
    let last = before.checked_sub(1).and_then(|last| reads.get(last));
    Ok(last.map(|read| ClockTime::Absolute(read.ns).to_string()))
}

/// Reads of the clock that says what time of day it is.
fn real(debugger: &Debugger) -> Result<Vec<ClockRead>, DebugError> {
    let reads = debugger.execution.clock_reads()?;
    Ok(reads.iter().filter(|read| read.clock == Clock::Real).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_evenly_between_checkpoints() {
        let times = RunTimes { points: vec![(0, 0), (10, 1000), (12, 5000)], whole: Some(5000) };
        let at = |event| times.at(EventIndex::new(event));
        assert_eq!(
            [at(0), at(5), at(10), at(11), at(12), at(20)].map(Option::unwrap_or_default),
            [0, 500, 1000, 3000, 5000, 5000]
        );
        let event = |ns| times.event_at(ns).get();
        assert_eq!(
            [event(0), event(499), event(999), event(1000), event(4999), event(9999)],
            [0, 4, 9, 10, 11, 12]
        );
        assert_eq!(RunTimes { points: vec![(0, 0)], whole: None }.at(EventIndex::ZERO), None);
    }
}
