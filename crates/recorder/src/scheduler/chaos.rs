//! Scheduling at random, so that a race shows sooner (`retake record --chaos`).
//!
//! A task loses the CPU at random moments and to a random other one. In the middle of code it is left at any
//! instruction: where the timer found it, or some microseconds after a cold place, which replay finds
//! faster. A timer stops a task at slow instructions mostly, so now and then it is stepped on from there, by
//! some instructions or to one that updates memory ([`crate::places::updates`]).
//!
//! Phases of two kinds take turns. In one any task may be next at any time. In the other tasks have
//! priorities drawn by lot, and the highest runs until it waits or its slice ends, which changes its
//! priority (after Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of
//! Finding Bugs", 2010): many races need a task that is much slower than it ever is.

use std::collections::BTreeMap;
use std::time::Duration;

use retake_model::Tid;

use super::random::Random;
use crate::places::Search;

/// A task that has run no longer since its last event is near it.
const NEAR: Duration = Duration::from_micros(40);

/// How long the search for a cold place may take.
const HASTE: Duration = Duration::from_micros(200);

/// And in real time, on a busy machine.
const MOST: Duration = Duration::from_millis(500);

/// So many instructions a task is stepped on at most.
const STEPS: usize = 32;

/// And after an event.
const MOST_STEPS: usize = 500;

/// After so many searches for a cold place that found none, one in `2 << MOST_FUTILE` is tried.
const MOST_FUTILE: u32 = 4;

/// So many slices of a run are shorter than later ones.
const MANY: u32 = 200;

/// Of these, one in so many changes the priority of the task whose slice ends.
const LASTING: usize = 8;

/// One in so many slices is long enough to outlast most of what others wait for.
const RARE: usize = 16;

/// Where a task is left that may be left where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nearby {
    /// There.
    Here,
    /// So many instructions on.
    Steps(usize),
    /// Before a write to memory that others may see, if one comes soon: what it writes is then old when it
    /// comes.
    Write,
}

/// How far a task may be stepped on after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steps {
    /// Past what a call leads to.
    Many,
    /// Some instructions: it goes on in the middle of code, where the timer finds it as well.
    Few,
    /// They are too dear now.
    None,
}

/// What a search for a cold place has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchResult {
    Cold,
    /// The task stands somewhere in code, after all the time that the search had.
    Futile,
}

/// How soon a task loses the CPU after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Soon {
    /// After so many instructions.
    Steps(usize),
    /// After so long.
    After(Duration),
}

/// Scheduling at random.
#[derive(Clone, Debug)]
pub(crate) struct Chaos {
    random: Random,
    /// How long the current task may run.
    slice: Duration,
    /// And at most in code without events.
    slice_in_code: Duration,
    /// How many were drawn.
    drawn: u32,
    /// In a phase with priorities: those drawn so far.
    priorities: Option<BTreeMap<Tid, u64>>,
    /// Once in so many events a task loses the CPU soon after it, in this phase; never if 0.
    soon_once_in: usize,
    /// When the phase ends (on the monotonic clock).
    until: Duration,
    /// The next turn is between two of a task that has the highest priority.
    between: bool,
    /// So many searches in a row found no cold place, such as those in loops that hand over by spinning.
    futile: u32,
}

impl Chaos {
    pub(crate) fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        let slice = Duration::ZERO;
        Self {
            random,
            slice,
            slice_in_code: slice,
            drawn: 0,
            priorities: None,
            soon_once_in: 0,
            until: Duration::ZERO,
            between: false,
            futile: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.random.next()
    }

    /// A number below `limit`; 0 if that is 0.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(1);
        usize::try_from(self.random.below(limit)).unwrap_or(0)
    }

    /// How long the current task may run.
    pub(super) fn slice(&self) -> Duration {
        self.slice
    }

    /// How long a task may run: mostly short, now and then long, so that both a few instructions and
    /// whole phases of a program fall between two changes.
    pub(super) fn draw_slice(&mut self) {
        let scale = match self.priorities.is_some() {
            false => [40, 200, 1000, 8000],
            // Some sleeps are that long; but each of them keeps the others from all they do.
            true if self.below(RARE) == 0 => [64000; 4],
            true => [200, 1000, 4000, 16000],
        };
        let most = scale[self.below(scale.len())];
        self.slice = Duration::from_micros(self.next() % most + 8);
        // Some loops are over in milliseconds, and some programs.
        let is_between = std::mem::take(&mut self.between);
        let scale = match (self.drawn, &self.priorities) {
            (..MANY, Some(_)) if !is_between => [40, 200, 400, 1000, 4000, most],
            (..MANY, _) => [40, 40, 100, 200, 400, 1000],
            _ => [40, 200, 1000, 4000, most, most],
        };
        self.drawn = self.drawn.saturating_add(1);
        let most = scale[self.below(scale.len())];
        self.slice_in_code = self.slice.min(Duration::from_micros(self.next() % most + 8));
    }

    /// How long the current task may run in code without events.
    pub(super) fn slice_in_code(&self) -> Duration {
        self.slice_in_code
    }

    /// Whether a task that has run for so long is stopped where it is: mostly where replay has few places to
    /// test.
    pub(super) fn stays_here(&mut self, ran: Duration) -> bool {
        let moves_on = if ran < NEAR { 4 } else { 2 };
        self.below(moves_on << self.futile.min(MOST_FUTILE)) != 0
    }

    /// A search for a cold place has ended.
    pub(super) fn searched(&mut self, result: SearchResult) {
        self.futile = match result {
            SearchResult::Cold => 0,
            SearchResult::Futile => self.futile.saturating_add(1),
        };
    }

    /// How soon after this event a task loses the CPU, if it does. Many races are over some hundred
    /// instructions after the call that another task has waited for: no timer is that fast.
    pub(super) fn ends_soon(&mut self, steps: Steps) -> Option<Soon> {
        if self.soon_once_in == 0 || self.below(self.soon_once_in) != 0 {
            return None;
        }
        Some(if self.below(2) == 0 && steps != Steps::None {
            let most = match steps {
                Steps::Many => [8, 32, 128, MOST_STEPS][self.below(4)],
                _ => [8, STEPS][self.below(2)],
            };
            Soon::Steps(self.below(most) + 1)
        } else {
            let most = [40, 150, 600][self.below(3)];
            Soon::After(Duration::from_micros(self.next() % most + 5))
        })
    }

    /// Where a task is left that may be left where it stands.
    pub(super) fn nearby(&mut self) -> Nearby {
        match self.below(8) {
            0..4 => Nearby::Write,
            4 | 5 => Nearby::Steps(self.below(STEPS)),
            _ => Nearby::Here,
        }
    }

    /// How a cold place is looked for: not for long, as that would undo what the slice was for, and
    /// mostly not far out.
    pub(crate) fn search(&mut self) -> Search {
        let returns = [1, 1, 2, 4][self.below(4)];
        Search { patience: HASTE, content: HASTE / 2, returns, longest: MOST }
    }

    /// How long a task runs on from a cold place before it is stopped wherever it is.
    pub(super) fn step_aside(&mut self) -> Option<Duration> {
        let most = [40, 40, 40, 300][self.below(4)];
        (self.below(2) == 0).then(|| Duration::from_micros(self.next() % most + 1))
    }

    /// The next task to run. The slice of `ended` is over, and it could go on.
    pub(super) fn pick(&mut self, now: Duration, ready: &[Tid], ended: Option<Tid>) -> Option<Tid> {
        if now >= self.until {
            let most = [2, 20, 200][self.below(3)] * 1000;
            self.until = now + Duration::from_micros(self.next() % most);
            self.soon_once_in = [0, 2, 6, 20, 64][self.below(5)];
            self.priorities = (self.below(3) != 0).then(BTreeMap::new);
        }
        let Some(mut priorities) = self.priorities.take() else {
            return ready.get(self.below(ready.len())).copied();
        };
        // After a short slice the others get a shorter one, or priorities would change all the time.
        let lasts = self.drawn < MANY && self.below(LASTING) != 0;
        if let Some(ended) = ended
            && !lasts
        {
            priorities.remove(&ended);
        }
        for tid in ready {
            priorities.entry(*tid).or_insert_with(|| self.next());
        }
        let highest = ready.iter().copied().max_by_key(|tid| priorities.get(tid));
        self.priorities = Some(priorities);
        if lasts && highest == ended {
            let others: Vec<Tid> =
                ready.iter().copied().filter(|tid| ended != Some(*tid)).collect();
            let other = others.get(self.below(others.len())).copied();
            self.between = other.is_some();
            return other.or(highest);
        }
        highest
    }

    /// Whether the task changes at this event, which may have `woken` another one.
    pub(super) fn changes_now(&mut self, woken: bool) -> bool {
        let once_in = match (woken, self.priorities.is_some()) {
            // Natively it mostly gets the CPU.
            (true, _) => 3,
            (false, false) => 6,
            (false, true) => 100,
        };
        self.below(once_in) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_schedule_each_time() {
        let draw = |seed| {
            let mut chaos = Chaos::new(seed);
            let mut draw = || {
                chaos.draw_slice();
                (chaos.slice(), chaos.below(7), chaos.changes_now(false))
            };
            (0..50).map(|_| draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(0).iter().any(|(_, _, changes)| *changes));
    }

    #[test]
    fn searches_that_find_nothing_become_rare() {
        let mut chaos = Chaos::new(5);
        let moved_on = |chaos: &mut Chaos| {
            (0..1000).filter(|_| !chaos.stays_here(Duration::from_millis(1))).count()
        };
        assert!((400..600).contains(&moved_on(&mut chaos)));
        for _ in 0..100 {
            chaos.searched(SearchResult::Futile);
        }
        assert!((10..60).contains(&moved_on(&mut chaos)));
        chaos.searched(SearchResult::Cold);
        assert!((400..600).contains(&moved_on(&mut chaos)));
    }

    #[test]
    fn the_highest_priority_runs_until_its_slice_ends() {
        let mut chaos = Chaos::new(3);
        let tasks = [Tid::new(5), Tid::new(6), Tid::new(7)];
        chaos.until = Duration::MAX;
        chaos.priorities = Some(BTreeMap::new());
        let first = chaos.pick(Duration::ZERO, &tasks, None);
        assert!((0..20).all(|_| chaos.pick(Duration::ZERO, &tasks, None) == first));
        assert!((0..20).any(|_| chaos.pick(Duration::ZERO, &tasks, first) != first));
        assert_eq!(chaos.pick(Duration::ZERO, &tasks[1..2], None), Some(tasks[1]));
        assert_eq!(chaos.pick(Duration::ZERO, &[], None), None);
    }
}
