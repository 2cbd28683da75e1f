//! Runs: to the next place at which any breakpoint stops, in either direction.
//!
//! A breakpoint without a hit condition stops at the next arrival that counts. One with a hit condition stops at
//! a hit with a certain number, which is its place in the recording: the hits before here are counted once,
//! and the run is to the so-manieth from here. Each of them runs no further than the best stop found so far.

mod events;
mod listed;
mod series;

use std::num::NonZeroU64;
use std::sync::atomic::Ordering;

use retake_execution::{Direction, RunPlan, Site, SiteId, Stop, StopReason};
use retake_model::{EventIndex, Position};

use crate::breakpoint::{Breakpoint, Owner, Place, SiteTable};
use crate::{DebugError, Debugger};
use events::Caught;
pub(crate) use events::event_filter;
use listed::Listed;
use series::Series;

/// Where a run ended, and who wanted that.
#[derive(Clone, Debug)]
pub(crate) struct RunEnd {
    pub(crate) stop: Stop,
    pub(crate) owners: Vec<Owner>,
    /// The event that is caught: it comes next.
    pub(crate) event: Option<EventIndex>,
}

/// What a run may stop at, besides events.
#[derive(Debug)]
struct Goals {
    /// Where every arrival that counts is a stop.
    plain: SiteTable,
    /// Hits that are counted.
    series: Vec<Series>,
    /// Hits that are known.
    listed: Vec<Listed>,
}

impl Goals {
    fn are_none(&self) -> bool {
        self.plain.sites().is_empty() && self.series.is_empty() && self.listed.is_empty()
    }

    /// The nearer of a bound and the next hit that is known.
    fn bound(
        &self,
        direction: Direction,
        from: Position,
        bound: Option<Position>,
    ) -> Option<Position> {
        let known = self.listed.iter().filter_map(|listed| listed.next(direction, from));
        known.chain(bound).reduce(|best, other| match direction {
            Direction::Forward if other < best => other,
            Direction::Backward if other > best => other,
            _ => best,
        })
    }
}

/// Places that a run is to stop at, besides breakpoints.
pub(crate) type Asked = Vec<(Owner, Vec<Site>)>;

impl Debugger {
    /// Runs to the next stop. If that fails on the way, the position is what it was.
    pub(crate) fn run_on(
        &mut self,
        direction: Direction,
        asked: Asked,
    ) -> Result<RunEnd, DebugError> {
        let from = self.execution.position();
        let end = self.run_within(direction, asked, None);
        if end.is_err() && self.execution.position() != from {
            // The way back is not to be interrupted by what has ended the run.
            self.execution.interrupter().store(false, Ordering::SeqCst);
            self.execution.seek(from)?;
        }
        end
    }

    /// After a movement from a moment to where it is now: goes to the first stop between the two, if there is
    /// one.
    pub(crate) fn stop_between(
        &mut self,
        from: Position,
        direction: Direction,
    ) -> Result<Option<RunEnd>, DebugError> {
        let nothing = self.breakpoints.all().is_empty()
            && self.breakpoints.catches().is_empty()
            && self.watches.all().is_empty();
        let to = self.execution.position();
        if nothing || from == to {
            return Ok(None);
        }
        self.execution.seek(from)?;
        let end = self.run_within(direction, Vec::new(), Some(to))?;
        Ok((end.stop.position != to).then_some(end))
    }

    /// Runs to the next stop, no further than to a limit.
    fn run_within(
        &mut self,
        direction: Direction,
        asked: Asked,
        limit: Option<Position>,
    ) -> Result<RunEnd, DebugError> {
        let is_plain =
            |breakpoint: &&Breakpoint| breakpoint.hits.is_none() && !breakpoint.is_judged_here();
        let plain = self.breakpoints.all().iter().filter(is_plain);
        let mut plain = SiteTable::new(plain);
        for catch in self.breakpoints.catches() {
            let site = |place: &Place| Site::new(SiteId::new(0), place.target());
            plain = plain.with(Owner::Catch(catch.id), catch.places.iter().map(site));
        }
        for (owner, sites) in asked {
            plain = plain.with(owner, sites);
        }
        let listed = self.listed()?;
        let goals = Goals { plain, series: self.series(&listed)?, listed };
        let caught = self.caught()?;
        let (stop, event) = match caught.is_empty() {
            true => (self.first_stop(direction, &goals, limit)?, None),
            false => self.first_stop_or_event(direction, &goals, &caught, limit)?,
        };
        let owners = self.owners(&goals, &stop, event, &caught)?;
        Ok(RunEnd { stop, owners, event })
    }

    /// Who wanted a run to stop where it is.
    fn owners(
        &mut self,
        goals: &Goals,
        stop: &Stop,
        event: Option<EventIndex>,
        caught: &[Caught],
    ) -> Result<Vec<Owner>, DebugError> {
        // Where a task stands after an event it has not arrived yet.
        let mut owners = match stop.position.place().pc() {
            Some(_) => goals.plain.holding(self.execution.state(), stop.task),
            None => Vec::new(),
        };
        for series in &goals.series {
            if series.is_hit(self.execution.state(), stop.task)
                && series.numbers.contains(self.hits_before(series)? + 1)
            {
                owners.push(Owner::Breakpoint(series.breakpoint));
            }
        }
        let is_here = |listed: &&Listed| listed.positions.contains(&stop.position);
        let listed = goals.listed.iter().filter(is_here);
        owners.extend(listed.map(|listed| Owner::Breakpoint(listed.breakpoint)));
        if let Some(event) = event {
            owners.extend(self.catches_of(event, caught)?.into_iter().map(Owner::Catch));
        }
        owners.sort_unstable();
        owners.dedup();
        Ok(owners)
    }

    /// Runs to the first stop of all, or to a bound.
    fn first_stop(
        &mut self,
        direction: Direction,
        goals: &Goals,
        bound: Option<Position>,
    ) -> Result<Stop, DebugError> {
        let from = self.execution.position();
        let bound = goals.bound(direction, from, bound);
        let plain = &goals.plain;
        // Before anything moves.
        let mut wanted = Vec::new();
        for series in &goals.series {
            if let Some((number, nth)) = self.next_number(series, direction)? {
                wanted.push((series, number, nth));
            }
        }
        let watches = self.watches.of(self.task());
        let mut best: Option<Stop> = None;
        if wanted.is_empty() || !plain.sites().is_empty() || !watches.is_empty() {
            let to_sites = RunPlan::to_sites(direction, plain.sites());
            let plan = RunPlan { watches: &watches, bound, ..to_sites };
            best = Some(self.execution.run(&plan, None)?);
        }
        for (series, number, nth) in wanted {
            if self.execution.position() != from {
                self.execution.seek(from)?;
            }
            let bound = best.as_ref().map(|best| best.position).or(bound);
            let plan = RunPlan { nth, bound, ..RunPlan::to_sites(direction, series.table.sites()) };
            let stop = self.execution.run(&plan, None)?;
            let is_hit = stop.reasons.iter().any(|reason| matches!(reason, StopReason::Site(_)));
            if is_hit {
                self.history.set_number(series.key(), stop.position, number);
            }
            if is_hit || best.is_none() {
                best = Some(stop);
            }
        }
        let here = Stop { position: from, task: self.execution.current_task(), reasons: vec![] };
        let best = best.unwrap_or(here);
        if self.execution.position() != best.position {
            self.execution.seek(best.position)?;
        }
        Ok(best)
    }

    /// The number of the hit that a run is to stop at, and the how-manieth from here it is.
    fn next_number(
        &mut self,
        series: &Series,
        direction: Direction,
    ) -> Result<Option<(u64, NonZeroU64)>, DebugError> {
        let before = self.hits_before(series)?;
        let (number, nth) = match direction {
            Direction::Forward => {
                let task = self.execution.current_task();
                let seen = before + u64::from(series.is_hit(self.execution.state(), task));
                let Some(number) = series.numbers.first_after(seen) else { return Ok(None) };
                (number, number - seen)
            }
            Direction::Backward => {
                let Some(number) = series.numbers.last_up_to(before) else { return Ok(None) };
                (number, before - number + 1)
            }
        };
        Ok(NonZeroU64::new(nth).map(|nth| (number, nth)))
    }

    /// How many hits of a series lie before the current position.
    fn hits_before(&mut self, series: &Series) -> Result<u64, DebugError> {
        let here = self.execution.position();
        if let Some(number) = self.history.number(series.key(), here) {
            return Ok(number - 1);
        }
        let before = self.execution.count_hits(series.table.sites(), Some(here))?;
        self.history.set_number(series.key(), here, before + 1);
        Ok(before)
    }
}
