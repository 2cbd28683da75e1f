//! Arrivals that a run backwards has found. Whoever goes back again over the same places, as one that judges each
//! arrival itself, finds the one before in a list.

use std::time::Duration;

use retake_execution::{Site, SiteId, SiteTarget};
use retake_model::{EventIndex, Place, Position, Predicate, TaskId};

use super::scan::{Arrived, What};

/// So many arrivals right before one that is gone to get a snapshot each: what leads from one to the next is executed, and
/// its code translated, once for all of them.
const NEAR: usize = 6;
/// Snapshots on the way to those are so far apart at least, and each as far before the next one as that is from the
/// arrival.
const APART: Duration = Duration::from_millis(8);

/// All arrivals of a stretch. They are facts: a recording does not change.
#[derive(Debug)]
pub(super) struct Remembered {
    /// What was looked for, in the caller's order.
    sites: Vec<(SiteTarget, Option<Predicate>)>,
    /// In order of time.
    arrivals: Vec<Known>,
    /// The stretch, in which there are no others.
    from: Position,
    until: Position,
    /// The event at which the interval begins that the stretch is a part of, and how many arrivals are in that
    /// before the stretch.
    first: EventIndex,
    before: u64,
}

/// An arrival.
#[derive(Clone, Copy, Debug)]
struct Known {
    at: Position,
    /// Which of the places.
    site: usize,
    task: TaskId,
    seen: Duration,
}

/// What is known of an arrival that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recalled {
    /// It is this one of those in the list.
    Known(usize),
    /// It lies before the stretch, in the same interval: so many from the last one there.
    InInterval(u64),
    /// It lies before the interval: so many from the last one there.
    Earlier(u64),
}

impl Remembered {
    /// The last arrivals of an interval up to `until`, in order, and how many there are in the interval before
    /// them. `None` where moments cannot be compared.
    pub(super) fn of(
        sites: &[Site],
        first: EventIndex,
        until: Position,
        before: u64,
        arrivals: impl IntoIterator<Item = Arrived>,
    ) -> Option<Self> {
        let known = |arrived: Arrived| {
            let What::Site(id) = arrived.what else { return None };
            let site = sites.iter().position(|site| site.id == id)?;
            let Arrived { at, task, seen, .. } = arrived;
            is_exact(at).then_some(Known { at, site, task, seen })
        };
        let arrivals = arrivals.into_iter().map(known).collect::<Option<Vec<_>>>()?;
        let from = match arrivals.first() {
            Some(known) if before > 0 => known.at,
            _ => Position::at_event(first),
        };
        is_exact(until).then(|| Self {
            sites: sites.iter().map(what_for).collect(),
            arrivals,
            from,
            until,
            first,
            before,
        })
    }

    /// Whether these are arrivals at `sites`, and some may lie right before `here`.
    pub(super) fn is_of(&self, sites: &[Site], here: Position) -> bool {
        let same = || sites.iter().map(what_for).eq(self.sites.iter().cloned());
        is_exact(here) && self.from < here && here <= self.until && same()
    }

    /// What is known of the `wanted`th arrival before `here`, which lies in the stretch.
    pub(super) fn recall(&self, here: Position, wanted: u64) -> Recalled {
        let earlier = self.arrivals.partition_point(|known| known.at < here);
        let left = wanted.saturating_sub(earlier as u64);
        match usize::try_from(wanted).ok().and_then(|wanted| earlier.checked_sub(wanted)) {
            Some(n) => Recalled::Known(n),
            None if left <= self.before => Recalled::InInterval(left),
            None => Recalled::Earlier(left - self.before),
        }
    }

    /// The arrival with a number, as `sites` have it.
    pub(super) fn arrived(&self, n: usize, sites: &[Site]) -> Option<Arrived> {
        let Known { at, site, task, seen } = *self.arrivals.get(n)?;
        let id: SiteId = sites.get(site)?.id;
        Some(Arrived { at, what: What::Site(id), task, seen })
    }

    /// The interval, the moment at which the stretch begins, and how many arrivals lie before that in the interval.
    pub(super) fn rest(&self) -> (EventIndex, Position, u64) {
        (self.first, self.from, self.before)
    }

    /// Moments on the way to an arrival, in order, to keep snapshots at: those who come back to the ones before
    /// it go on from there.
    pub(super) fn on_the_way(&self, n: usize) -> Vec<Position> {
        let Some(known) = self.arrivals.get(..=n) else { return Vec::new() };
        let Some((to, earlier)) = known.split_last() else { return Vec::new() };
        let mut distance = APART;
        let mut moments = Vec::new();
        for (n, known) in earlier.iter().rev().enumerate() {
            if n < NEAR {
                moments.push(known.at);
            } else if to.seen.saturating_sub(known.seen) >= distance {
                moments.push(known.at);
                distance = to.seen.saturating_sub(known.seen) * 2;
            }
        }
        moments.reverse();
        moments
    }
}

fn what_for(site: &Site) -> (SiteTarget, Option<Predicate>) {
    (site.target, site.when.clone())
}

/// Whether a moment can be compared with all others.
fn is_exact(at: Position) -> bool {
    !matches!(at.place(), Place::Arrival(_))
}

#[cfg(test)]
mod tests {
    use retake_model::Addr;

    use super::*;

    fn at(branches: u64) -> Position {
        Position::at_exact(EventIndex::new(7), branches, Addr::new(0x1000))
    }

    fn site(id: u32, addr: u64) -> Site {
        Site::new(SiteId::new(id), SiteTarget::Absolute(Addr::new(addr)))
    }

    /// Arrivals after 10, 20, … branches, one each millisecond.
    fn remembered(before: u64, count: u64) -> Remembered {
        let arrived = |n: u64| Arrived {
            at: at(n * 10),
            what: What::Site(SiteId::new(4)),
            task: TaskId::new(0),
            seen: Duration::from_millis(n),
        };
        let sites = [site(3, 1), site(4, 2)];
        let arrivals = (1..=count).map(arrived);
        Remembered::of(&sites, EventIndex::new(5), at(1000), before, arrivals).unwrap()
    }

    #[test]
    fn the_one_before_is_in_the_list() {
        let list = remembered(2, 5);
        assert_eq!(list.recall(at(1000), 1), Recalled::Known(4));
        assert_eq!(list.recall(at(30), 1), Recalled::Known(1));
        assert_eq!(list.recall(at(30), 2), Recalled::Known(0));
        assert_eq!(list.recall(at(30), 3), Recalled::InInterval(1));
        assert_eq!(list.recall(at(30), 5), Recalled::Earlier(1));
        // The caller's numbers may be others by now.
        let found = list.arrived(1, &[site(0, 1), site(9, 2)]).unwrap();
        assert_eq!((found.at, found.what), (at(20), What::Site(SiteId::new(9))));
    }

    #[test]
    fn it_is_of_these_places_and_this_stretch() {
        let list = remembered(2, 5);
        let same = [site(0, 1), site(9, 2)];
        assert!(list.is_of(&same, at(1000)) && list.is_of(&same, at(11)));
        assert!(!list.is_of(&same, at(1001)), "behind it there may be others");
        assert!(!list.is_of(&same, at(10)), "nothing before is known");
        assert!(remembered(0, 5).is_of(&same, at(10)), "nothing before is there");
        assert!(!list.is_of(&same[..1], at(1000)));
        let when = Some(Predicate::Task(TaskId::new(1)));
        assert!(!list.is_of(&[same[0].clone(), Site { when, ..site(9, 2) }], at(1000)));
    }

    #[test]
    fn snapshots_lie_denser_towards_the_end() {
        let list = remembered(0, 64);
        let distances = list.on_the_way(63).into_iter().map(|moment| {
            let branches = moment.place();
            let Place::Exact(exact) = branches else { panic!("{branches:?}") };
            64 - exact.branches / 10
        });
        assert_eq!(distances.collect::<Vec<_>>(), [32, 16, 8, 6, 5, 4, 3, 2, 1]);
        assert_eq!(list.on_the_way(3).len(), 3);
    }
}
