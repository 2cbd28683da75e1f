//! Running backwards: an interval between two checkpoints is gone through once, forwards, and the last
//! arrival in it that counts is the one to go to.

use std::collections::VecDeque;
use std::time::Duration;

use retake_execution::{Judge, RunPlan, Site, SiteId, Stop, StopReason, WatchId};
use retake_model::{EventIndex, Place, Position, TaskId};

use super::Timeline;
use super::scouts::Counting;
use super::travel::no_sink;
use crate::failure::Failure;
use crate::intervals::{Crew, Interval, Part, side_by_side};
use crate::run::Step;
use crate::translated::CountFor;

/// Arrivals of an interval that the replay stops at; more are counted without a stop.
const FEW: usize = 64;
/// A search backwards that is over sooner is left to one thread.
const SOON: Duration = Duration::from_millis(100);

/// An arrival at a site.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) at: Position,
    pub(super) what: What,
    pub(super) task: TaskId,
}

/// What a task came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Site(SiteId),
    /// It has accessed watched memory right before.
    Access(WatchId),
    /// The event before wrote there.
    Effect(WatchId),
}

/// Whether a scan goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    GoOn,
    Stop,
}

/// The arrivals of an interval that count.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) number: u64,
    /// The last ones, if all of them were stopped at.
    last: Option<VecDeque<Arrived>>,
}

/// The interval with the arrival to go to, which is the `from_last`th one from its end.
struct FoundBack {
    first: EventIndex,
    upper: Position,
    from_last: u64,
    counted: Counted,
}

impl Timeline {
    /// Runs back to the wanted arrival, the bound, or the start.
    pub(super) fn backward(
        &mut self,
        plan: &RunPlan<'_>,
        mut judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, Failure> {
        let bound = plan.bound.unwrap_or(self.start);
        // What cannot be watched is said first.
        self.machine.want_watches(plan.watches)?;
        self.machine.forget_watches()?;
        let mut upper = self.position;
        let mut wanted = plan.nth.get();
        let earlier = self.intervals_back(bound);
        let apart = judge.is_none() && plan.watches.is_empty();
        if apart && self.at_once > 1 && !earlier.is_empty() {
            let found = self.search_back(plan, wanted, &earlier)?;
            return self.end_back(plan.sites, bound, found);
        }
        while upper > bound && upper > self.start {
            let first = self.scan_start(upper);
            let counted = match judge.as_deref_mut() {
                None => self.count_between(first, upper, plan, wanted)?,
                Some(judge) => self.judge_between(first, upper, plan, wanted, judge)?,
            };
            if counted.number >= wanted {
                let found = Some(FoundBack { first, upper, from_last: wanted, counted });
                return self.end_back(plan.sites, bound, found);
            }
            wanted -= counted.number;
            upper = Position::at_event(first);
        }
        self.end_back(plan.sites, bound, None)
    }

    /// Goes to what was found, or to where the run ends without it.
    fn end_back(
        &mut self,
        sites: &[Site],
        bound: Position,
        found: Option<FoundBack>,
    ) -> Result<Stop, Failure> {
        if let Some(FoundBack { first, upper, from_last, counted }) = found {
            let nth = counted.number - from_last + 1;
            let found = self.go_to_arrival(first, upper, sites, nth, from_last, counted)?;
            if found.at >= bound {
                return self.stop_at_arrival(found);
            }
        }
        let reason = if bound > self.start { StopReason::Reached } else { StopReason::Start };
        self.stand_at(bound.max_with(self.start), reason)
    }

    /// The intervals before the one that this timeline goes through itself, the latest first.
    fn intervals_back(&self, bound: Position) -> Vec<Interval> {
        let first = Position::at_event(self.scan_start(self.position));
        let mut list = self.intervals_before(first);
        list.retain(|interval| interval.until > bound && interval.until > self.start);
        list.reverse();
        list
    }

    /// Looks for the `wanted`th arrival from here back. Others look through earlier intervals
    /// meanwhile, unless it is found soon.
    fn search_back(
        &mut self,
        plan: &RunPlan<'_>,
        mut wanted: u64,
        earlier: &[Interval],
    ) -> Result<Option<FoundBack>, Failure> {
        let (recording, control) = (self.recording.clone(), self.control.clone());
        let crew = Crew::of(&recording, &control, self.at_once).waiting(SOON);
        let counting = Counting { recording: &recording, sites: plan.sites, most: wanted };
        let found = side_by_side(&counting, crew, earlier, |results| {
            let (first, upper) = (self.scan_start(self.position), self.position);
            let counted = self.count_between(first, upper, plan, wanted)?;
            if counted.number >= wanted {
                return Ok(Some(FoundBack { first, upper, from_last: wanted, counted }));
            }
            wanted -= counted.number;
            results.use_recorded_cpu();
            while let Some((n, part)) = results.next()? {
                let (Part::Found(found), Some(interval)) = (part, earlier.get(n)) else { continue };
                for counted in found {
                    if counted.number >= wanted {
                        let (first, upper) = (interval.first, interval.until);
                        return Ok(Some(FoundBack { first, upper, from_last: wanted, counted }));
                    }
                    wanted -= counted.number;
                }
            }
            Ok(None)
        });
        self.thread.renew_traps();
        found
    }

    /// The latest event before `upper` that the replay can begin at without re-executing.
    fn scan_start(&self, upper: Position) -> EventIndex {
        let before = match upper.place() {
            Place::Arrival(_) | Place::Exact(_) => upper.event(),
            Place::Event => EventIndex::new(upper.event().get().saturating_sub(1)),
        };
        let checkpoints = self.recording.checkpoints().iter().map(|c| c.event);
        let on_disk = checkpoints.filter(|event| *event <= before).max();
        let nearest = on_disk.max(self.snapshots.nearest_event(before));
        nearest.unwrap_or(EventIndex::ZERO).max(self.start.event())
    }

    /// Counts the arrivals of an interval; remembers the last `most` where they are few.
    pub(super) fn count_between(
        &mut self,
        first: EventIndex,
        upper: Position,
        plan: &RunPlan<'_>,
        most: u64,
    ) -> Result<Counted, Failure> {
        let most = usize::try_from(most).unwrap_or(FEW);
        let counts_inside = plan.watches.is_empty();
        let mut last = VecDeque::new();
        let mut stops = 0_u64;
        self.machine.countdown = None;
        self.scan_watching(first, upper, plan, &mut |timeline, arrived| {
            stops += 1;
            if last.len() == most.min(FEW) {
                last.pop_front();
            }
            last.push_back(arrived);
            if stops == FEW as u64 && counts_inside {
                timeline.machine.countdown = Some(u64::MAX);
            }
            Ok(Scan::GoOn)
        })?;
        let unseen = self.machine.countdown.take().map_or(0, |left| u64::MAX - left);
        let last = (unseen == 0).then_some(last);
        Ok(Counted { number: stops + unseen, last })
    }

    /// The arrivals that somebody judges to count.
    fn judge_between(
        &mut self,
        first: EventIndex,
        upper: Position,
        plan: &RunPlan<'_>,
        most: u64,
        judge: &mut Judge<'_>,
    ) -> Result<Counted, Failure> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut last = VecDeque::new();
        let mut number = 0;
        self.scan_watching(first, upper, plan, &mut |timeline, arrived| {
            let Arrived { at, what, task } = arrived;
            timeline.stand(task, at);
            let counts = match what {
                What::Site(site) => {
                    timeline.is_counted(site, task, at.place(), Some(&mut *judge))?
                }
                What::Access(_) | What::Effect(_) => true,
            };
            if counts {
                number += 1;
                if last.len() == most {
                    last.pop_front();
                }
                last.push_back(arrived);
            }
            Ok(Scan::GoOn)
        })?;
        Ok(Counted { number, last: Some(last) })
    }

    /// Goes to the `nth` arrival of an interval, which is the `from_last`th one from its end.
    fn go_to_arrival(
        &mut self,
        first: EventIndex,
        upper: Position,
        sites: &[Site],
        nth: u64,
        from_last: u64,
        counted: Counted,
    ) -> Result<Arrived, Failure> {
        let remembered = counted.last.and_then(|last| {
            let from_first = last.len().checked_sub(usize::try_from(from_last).ok()?)?;
            last.get(from_first).copied()
        });
        if let Some(found) = remembered {
            self.bring(found.at)?;
            return Ok(found);
        }
        self.machine.countdown = Some(nth);
        let mut found = None;
        self.scan(first, upper, sites, &mut |timeline, arrived| {
            timeline.stand(arrived.task, arrived.at);
            timeline.lost = false;
            found = Some(arrived);
            Ok(Scan::Stop)
        })?;
        self.machine.countdown = None;
        found.ok_or_else(|| {
            Failure::Refused(format!("arrival {nth} of {} is not there again", counted.number))
        })
    }

    /// Stops at an arrival, where the machine stands; at an access of memory, right before it.
    fn stop_at_arrival(&mut self, found: Arrived) -> Result<Stop, Failure> {
        let reason = match found.what {
            What::Site(site) => return Ok(self.stop(StopReason::Site(site))),
            What::Access(watch) | What::Effect(watch) => StopReason::Watch(watch),
        };
        self.machine.forget_watches()?;
        self.back_before(found)?;
        Ok(Stop { task: found.task, ..self.stop(reason) })
    }

    /// The same as [`Self::scan`], with the accesses of watched memory.
    fn scan_watching(
        &mut self,
        first: EventIndex,
        upper: Position,
        plan: &RunPlan<'_>,
        arrived: &mut dyn FnMut(&mut Self, Arrived) -> Result<Scan, Failure>,
    ) -> Result<(), Failure> {
        self.watches = plan.watches.to_vec();
        let scanned = self.scan(first, upper, plan.sites, arrived);
        self.watches.clear();
        scanned?;
        self.machine.forget_watches()
    }

    /// Gives the arrivals from event `first` up to `upper`, which is none of them, in order.
    pub(super) fn scan(
        &mut self,
        first: EventIndex,
        upper: Position,
        sites: &[Site],
        arrived: &mut dyn FnMut(&mut Self, Arrived) -> Result<Scan, Failure>,
    ) -> Result<(), Failure> {
        // The machine may be another one then.
        let countdown = self.machine.countdown.take();
        self.bring_to_event(first)?;
        self.machine.countdown = countdown;
        let watches = self.watches.clone();
        self.machine.want_watches(&watches)?;
        let own = upper.place().pc();
        let exact = |done: EventIndex| match upper.place() {
            Place::Exact(exact) if done == upper.event() => CountFor::Places(vec![exact]),
            _ => CountFor::Nothing,
        };
        self.machine.count.wanted = exact(self.machine.done());
        let by_arrival = matches!(upper.place(), Place::Arrival(_));
        self.want_with(sites, own.filter(|_| by_arrival))?;
        while self.machine.done() < upper.event() || own.is_some() {
            let event = self.machine.done();
            if own.is_none() {
                self.machine.batch = Some(upper.event());
            }
            let step = self.machine.step(&mut no_sink);
            self.machine.batch = None;
            match step? {
                Step::Hit { task, place } => {
                    let at = Position::at_place(event, place);
                    if at == upper {
                        break;
                    }
                    if let Some(site) = self.site_hit(task, place)?
                        && arrived(self, Arrived { at, what: What::Site(site), task })?
                            == Scan::Stop
                    {
                        break;
                    }
                }
                Step::Watched { task, place } => {
                    let at = Position::at_place(event, place);
                    if let Some(watch) = self.machine.watch_hit() {
                        arrived(self, Arrived { at, what: What::Access(watch), task })?;
                    }
                }
                Step::Event if event < upper.event() => {
                    if let Some(watch) = self.machine.watched.take_by_event() {
                        let task = self.recording.event(event)?.task;
                        let at = Position::at_event(self.machine.done());
                        arrived(self, Arrived { at, what: What::Effect(watch), task })?;
                    }
                    self.machine.count.wanted = exact(self.machine.done());
                    self.snapshots.consider(&mut self.machine);
                }
                Step::Paused => {}
                Step::Event | Step::End => break,
            }
        }
        self.machine.count.wanted = CountFor::Nothing;
        Ok(())
    }
}
