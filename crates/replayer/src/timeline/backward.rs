//! Running backwards: an interval between two checkpoints is gone through once, forwards, and the last
//! arrival in it that counts is the one to go to.

use std::collections::VecDeque;
use std::time::Duration;

use retake_execution::{Judge, RunPlan, Stop, StopReason};
use retake_model::{EventIndex, Place, Position};

use super::Timeline;
use super::remembered::{Recalled, Remembered};
use super::scan::{Arrived, Scan, What};
use super::scouts::Counting;
use crate::failure::Failure;
use crate::intervals::{Crew, Interval, Part, side_by_side};

/// Arrivals of an interval that the replay stops at; more are counted without a stop. So many are remembered.
const FEW: usize = 64;
/// A search backwards that is over sooner is left to one thread.
const SOON: Duration = Duration::from_millis(100);

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
    of: Arrivals,
}

/// Which arrivals were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrivals {
    /// All at the sites that are wanted.
    All,
    /// Those that somebody says count.
    Judged,
}

/// What a look at the arrivals that are remembered came to.
enum Back {
    /// The run is over.
    Stopped(Stop),
    /// So many are to be looked for from there on back.
    From(Position, u64),
}

impl Timeline {
    /// Runs back to the wanted arrival, the bound, or the start.
    pub(super) fn backward(
        &mut self,
        plan: &RunPlan<'_>,
        mut judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, Failure> {
        let bound = plan.bound.unwrap_or(self.start);
        if plan.bound.is_some_and(|bound| bound >= self.position) {
            return Ok(self.stop(StopReason::Reached));
        }
        // What cannot be watched is said first.
        self.machine.want_watches(plan.watches)?;
        self.machine.forget_watches()?;
        let apart = judge.is_none() && plan.watches.is_empty();
        let (mut upper, mut wanted) = (self.position, plan.nth.get());
        if apart {
            match self.recall(plan, bound)? {
                Back::Stopped(stop) => return Ok(stop),
                Back::From(position, left) => (upper, wanted) = (position, left),
            }
        }
        let earlier = self.intervals_back(upper, bound);
        if apart && self.at_once > 1 && !earlier.is_empty() {
            let found = self.search_back(plan, upper, wanted, &earlier)?;
            return self.end_back(plan, bound, found);
        }
        while upper > bound && upper > self.start {
            let first = self.scan_start(upper);
            let counted = match judge.as_deref_mut() {
                None => self.count_between(first, upper, plan, wanted)?,
                Some(judge) => self.judge_between(first, upper, plan, wanted, judge)?,
            };
            if counted.number >= wanted {
                let of = if judge.is_none() { Arrivals::All } else { Arrivals::Judged };
                let found = Some(FoundBack { first, upper, from_last: wanted, counted, of });
                return self.end_back(plan, bound, found);
            }
            wanted -= counted.number;
            upper = Position::at_event(first);
        }
        self.end_back(plan, bound, None)
    }

    /// Looks for the wanted arrival among those that the last run backwards has found.
    fn recall(&mut self, plan: &RunPlan<'_>, bound: Position) -> Result<Back, Failure> {
        let (here, wanted) = (self.position, plan.nth.get());
        let Some(known) = self.remembered.take_if(|known| known.is_of(plan.sites, here)) else {
            return Ok(Back::From(here, wanted));
        };
        let (first, upper, before) = known.rest();
        match known.recall(here, wanted) {
            Recalled::Known(n) => {
                let found = known.arrived(n, plan.sites).filter(|found| found.at >= bound);
                let on_the_way = known.on_the_way(n);
                self.remembered = Some(known);
                let Some(found) = found else {
                    return self.end_back(plan, bound, None).map(Back::Stopped);
                };
                self.bring_keeping(&on_the_way, found.at)?;
                self.stop_at_arrival(found).map(Back::Stopped)
            }
            Recalled::InInterval(from_last) => {
                let counted = Counted { number: before, last: None };
                let of = Arrivals::All;
                let found = Some(FoundBack { first, upper, from_last, counted, of });
                self.end_back(plan, bound, found).map(Back::Stopped)
            }
            Recalled::Earlier(left) => Ok(Back::From(Position::at_event(first), left)),
        }
    }

    /// Goes to what was found, or to where the run ends without it.
    fn end_back(
        &mut self,
        plan: &RunPlan<'_>,
        bound: Position,
        found: Option<FoundBack>,
    ) -> Result<Stop, Failure> {
        if let Some(found) = found {
            let found = self.go_to_arrival(found, plan)?;
            if found.at >= bound {
                return self.stop_at_arrival(found);
            }
        }
        let reason = if bound > self.start { StopReason::Reached } else { StopReason::Start };
        self.stand_at(bound.max_with(self.start), reason)
    }

    /// The intervals before the one up to `upper`, which this timeline goes through itself, the latest first.
    fn intervals_back(&self, upper: Position, bound: Position) -> Vec<Interval> {
        let first = Position::at_event(self.scan_start(upper));
        let mut list = self.intervals_before(first);
        list.retain(|interval| interval.until > bound && interval.until > self.start);
        list.reverse();
        list
    }

    /// Looks for the `wanted`th arrival from `upper` back. Others look through earlier intervals
    /// meanwhile, unless it is found soon.
    fn search_back(
        &mut self,
        plan: &RunPlan<'_>,
        upper: Position,
        mut wanted: u64,
        earlier: &[Interval],
    ) -> Result<Option<FoundBack>, Failure> {
        let (recording, control) = (self.recording.clone(), self.control.clone());
        let crew = Crew::of(&recording, &control, self.at_once).waiting(SOON);
        let counting = Counting { recording: &recording, sites: plan.sites };
        let of = Arrivals::All;
        let found = side_by_side(&counting, crew, earlier, |results| {
            let first = self.scan_start(upper);
            let counted = self.count_between(first, upper, plan, wanted)?;
            if counted.number >= wanted {
                return Ok(Some(FoundBack { first, upper, from_last: wanted, counted, of }));
            }
            wanted -= counted.number;
            results.use_recorded_cpu();
            while let Some((n, part)) = results.next()? {
                let Some(interval) = earlier.get(n) else { continue };
                let Part::Found(found) = part else {
                    self.control.reach(interval.first);
                    continue;
                };
                for counted in found {
                    if counted.number >= wanted {
                        let (first, upper) = (interval.first, interval.until);
                        return Ok(Some(FoundBack {
                            first,
                            upper,
                            from_last: wanted,
                            counted,
                            of,
                        }));
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

    /// Counts the arrivals of an interval; remembers the last ones where they are few, `most` of accesses.
    pub(super) fn count_between(
        &mut self,
        first: EventIndex,
        upper: Position,
        plan: &RunPlan<'_>,
        most: u64,
    ) -> Result<Counted, Failure> {
        let counts_inside = plan.watches.is_empty();
        let most = if counts_inside { FEW } else { usize::try_from(most).unwrap_or(usize::MAX) };
        let mut last = VecDeque::new();
        let mut stops = 0_u64;
        self.machine.countdown = None;
        self.scan_watching(first, upper, plan, &mut |timeline, arrived| {
            stops += 1;
            if last.len() == most {
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
            let Arrived { at, what, task, .. } = arrived;
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

    /// Goes to an arrival, and remembers others before it.
    fn go_to_arrival(&mut self, found: FoundBack, plan: &RunPlan<'_>) -> Result<Arrived, Failure> {
        let FoundBack { first, upper, from_last, counted, of } = found;
        let (last, until, n) = match counted.last {
            Some(last) => {
                let n = usize::try_from(from_last).ok().and_then(|n| last.len().checked_sub(n));
                (last, upper, n)
            }
            None => {
                let last = self.arrive_again(first, upper, plan, counted.number - from_last + 1)?;
                let (until, n) =
                    (last.back().map_or(upper, |found| found.at), last.len().checked_sub(1));
                (last, until, n)
            }
        };
        let found = n.and_then(|n| last.get(n)).copied().ok_or_else(|| {
            Failure::Refused(format!("arrival {from_last} from {upper} back is not there again"))
        })?;
        if of == Arrivals::All && plan.watches.is_empty() {
            let before = counted.number - from_last + 1 - n.map_or(0, |n| n as u64 + 1);
            self.remembered = Remembered::of(plan.sites, first, until, before, last);
        }
        if self.lost || self.position != found.at {
            self.bring(found.at)?;
        }
        Ok(found)
    }

    /// Goes to the `nth` arrival of an interval, all of which were counted. Gives the last ones up to that.
    fn arrive_again(
        &mut self,
        first: EventIndex,
        upper: Position,
        plan: &RunPlan<'_>,
        nth: u64,
    ) -> Result<VecDeque<Arrived>, Failure> {
        let few = nth.min(FEW as u64);
        let mut last = VecDeque::new();
        self.machine.countdown = Some(nth - few + 1);
        self.scan(first, upper, plan.sites, &mut |timeline, arrived| {
            timeline.machine.countdown = None;
            last.push_back(arrived);
            if last.len() as u64 == few {
                timeline.stand(arrived.task, arrived.at);
                timeline.lost = false;
                return Ok(Scan::Stop);
            }
            Ok(Scan::GoOn)
        })?;
        self.machine.countdown = None;
        Ok(last)
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
}
