//! By what a task is stopped where a place in the middle of code may be.
//!
//! The recording names a program counter, and mostly a word of memory that is accessed right before.
//! A breakpoint at the one and a watchpoint on the other both stop at the recorded place; how often
//! each stops before that depends on the program, and what a stop costs on the machine. So both are
//! tried for a while, now and then, and the cheaper one is used in between.

use std::time::Duration;

use retake_model::Addr;
use retake_ptrace::{WatchLen, Watchpoint};

use crate::displaced::Displaced;

/// Stops of a trial.
const TRIAL: u64 = 64;
/// Stops after a trial before the next one, at least.
const BETWEEN_TRIALS: u64 = 1024;

/// What stopped the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopper {
    Breakpoint,
    Watchpoint,
}

/// What is in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Armed {
    Breakpoint,
    Watchpoint,
    Both,
}

/// A breakpoint at the place, where there can be one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breakpoint {
    pub(crate) pc: Addr,
    pub(crate) displaced: Displaced,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    stops: u64,
    /// The shortest time from one stop to the next: what the stop itself costs.
    least: Option<Duration>,
}

impl Tally {
    fn cost(self) -> Duration {
        let stops = u32::try_from(self.stops).unwrap_or(u32::MAX);
        self.least.unwrap_or_default().saturating_mul(stops)
    }
}

/// The means of one search.
#[derive(Debug)]
pub(crate) struct Means {
    pub(crate) breakpoint: Option<Breakpoint>,
    pub(crate) watchpoint: Watchpoint,
    armed: Armed,
    stops: u64,
    next_trial: u64,
    by_breakpoint: Tally,
    by_watchpoint: Tally,
}

impl Means {
    /// `word` is what the recording says is accessed right before.
    pub(crate) fn new(pc: Addr, word: Option<Addr>, breakpoint: Option<Breakpoint>) -> Self {
        let (watchpoint, armed) = match (word, breakpoint) {
            (Some(word), Some(_)) => (Watchpoint::Access(word, WatchLen::Eight), Armed::Both),
            (Some(word), None) => (Watchpoint::Access(word, WatchLen::Eight), Armed::Watchpoint),
            (None, Some(_)) => (Watchpoint::Execute(pc), Armed::Breakpoint),
            (None, None) => (Watchpoint::Execute(pc), Armed::Watchpoint),
        };
        Self {
            breakpoint,
            watchpoint,
            armed,
            stops: 0,
            next_trial: if armed == Armed::Both { 0 } else { u64::MAX },
            by_breakpoint: Tally::default(),
            by_watchpoint: Tally::default(),
        }
    }

    /// What is to be in place now.
    pub(crate) fn armed(&self) -> Armed {
        self.armed
    }

    /// The task was stopped, and was not there. Whether something else is to be in place from here on.
    pub(crate) fn stopped_by(&mut self, stopper: Stopper, took: Duration) -> bool {
        self.stops += 1;
        if self.armed != Armed::Both {
            if self.stops < self.next_trial {
                return false;
            }
            self.by_breakpoint = Tally::default();
            self.by_watchpoint = Tally::default();
            self.armed = Armed::Both;
            return true;
        }
        let tally = match stopper {
            Stopper::Breakpoint => &mut self.by_breakpoint,
            Stopper::Watchpoint => &mut self.by_watchpoint,
        };
        tally.stops += 1;
        tally.least = Some(tally.least.map_or(took, |least| least.min(took)));
        if self.by_breakpoint.stops + self.by_watchpoint.stops < TRIAL {
            return false;
        }
        let breakpoint = self.by_breakpoint.cost() <= self.by_watchpoint.cost();
        self.armed = if breakpoint { Armed::Breakpoint } else { Armed::Watchpoint };
        self.next_trial = self.stops + self.stops.max(BETWEEN_TRIALS);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PC: Addr = Addr::new(0x1000);

    fn both() -> Means {
        let breakpoint = Breakpoint { pc: PC, displaced: Displaced::for_test(PC) };
        Means::new(PC, Some(Addr::new(0x2000)), Some(breakpoint))
    }

    #[test]
    fn what_stops_seldom_is_used() {
        let us = Duration::from_micros;
        let mut means = both();
        for n in 1..TRIAL {
            let stopper = if n % 16 == 0 { Stopper::Watchpoint } else { Stopper::Breakpoint };
            assert!(!means.stopped_by(stopper, us(10)));
        }
        assert!(means.stopped_by(Stopper::Breakpoint, us(10)));
        assert_eq!(means.armed(), Armed::Watchpoint);
    }

    #[test]
    fn what_costs_little_is_used_until_the_next_trial() {
        let us = Duration::from_micros;
        let mut means = both();
        for n in 0..TRIAL {
            // Twice as many breakpoints, at a fifth of the cost; once the program ran for long.
            let (stopper, took) =
                if n % 3 == 0 { (Stopper::Watchpoint, 50) } else { (Stopper::Breakpoint, 10) };
            means.stopped_by(stopper, us(if n == 7 { 90_000 } else { took }));
        }
        assert_eq!(means.armed(), Armed::Breakpoint);
        let until_next = (0..).find(|_| means.stopped_by(Stopper::Breakpoint, us(10)));
        assert_eq!(until_next, Some(BETWEEN_TRIALS - 1));
        assert_eq!(means.armed(), Armed::Both);
    }

    #[test]
    fn there_is_nothing_to_try_with_one_means() {
        let mut means = Means::new(PC, None, None);
        assert_eq!((means.armed(), means.watchpoint), (Armed::Watchpoint, Watchpoint::Execute(PC)));
        assert!((0..9999).all(|_| !means.stopped_by(Stopper::Watchpoint, Duration::ZERO)));
    }
}
