//! Nice values and policies: who goes first, and how long the others let it.
//!
//! A task with a nice value that is larger by one gets 1/1.25 of the CPU time, as in Linux
//! (kernel/sched/core.c, `sched_prio_to_weight`), but nobody waits for longer than [`MOST_PATIENCE`] because of that.

use std::time::Duration;

use super::SHORTEST_TURN;

/// No task lets others go first for longer than this.
pub(super) const MOST_PATIENCE: Duration = Duration::from_millis(60);
/// No turn in code without events is made shorter than this: its end is to be worth it.
const LEAST_SLICE: Duration = Duration::from_millis(1);
/// `SCHED_IDLE` has a fifth of the weight of nice 19.
const IDLE: i32 = 26;
/// Any real-time priority comes before any nice value, and before those below it.
const REAL_TIME: i32 = -60;
const STEP: i32 = 30;

/// How urgent a task is. The least one is the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Priority(i32);

impl Priority {
    /// -20 to 19; 0 is usual.
    pub(crate) fn nice(nice: i32) -> Self {
        Self(nice.clamp(-20, 19))
    }

    /// `SCHED_IDLE`.
    pub(crate) fn idle() -> Self {
        Self(IDLE)
    }

    /// `SCHED_FIFO` and `SCHED_RR`: 1 to 99.
    pub(crate) fn real_time(priority: u32) -> Self {
        Self(REAL_TIME - STEP * i32::try_from(priority.min(99)).unwrap_or(99))
    }

    /// How long a task whose last turn has lasted for `turn` lets one with priority `first` go first.
    pub(super) fn patience(self, first: Self, turn: Duration) -> Duration {
        if self <= first {
            return Duration::ZERO;
        }
        more(SHORTEST_TURN.max(turn), self.0 - first.0)
    }

    /// How long a turn lasts in code without events, among others the first of which has priority `first`, if it
    /// lasts for `slice` among equals.
    pub(super) fn share(self, slice: Duration, first: Self) -> Duration {
        match self.0 - first.0 {
            0 => slice,
            above if above < 0 => more(slice, -above).max(slice),
            below => less(slice, below, LEAST_SLICE),
        }
    }

    /// How long a turn lasts at events while one with priority `first` waits, if it lasts for `length` among equals.
    pub(super) fn turn(self, length: Duration, first: Self) -> Duration {
        less(length, self.0 - first.0, SHORTEST_TURN)
    }
}

fn more(mut time: Duration, steps: i32) -> Duration {
    for _ in 0..steps {
        if time >= MOST_PATIENCE {
            return MOST_PATIENCE;
        }
        time = time * 5 / 4;
    }
    time.min(MOST_PATIENCE)
}

fn less(time: Duration, steps: i32, least: Duration) -> Duration {
    let mut shorter = time;
    for _ in 0..steps {
        if shorter <= least {
            break;
        }
        shorter = shorter * 4 / 5;
    }
    shorter.max(least.min(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn real_time_comes_before_nice_and_idle_comes_last() {
        let order = [
            Priority::real_time(99),
            Priority::real_time(1),
            Priority::nice(-20),
            Priority::default(),
            Priority::nice(19),
            Priority::idle(),
        ];
        assert!(order.is_sorted());
        assert_eq!(Priority::nice(0), Priority::default());
    }

    #[test]
    fn who_is_nicer_is_more_patient_up_to_a_limit() {
        let usual = Priority::default();
        let patience = |nice| Priority::nice(nice).patience(usual, Duration::ZERO);
        assert_eq!([patience(-5), patience(0)], [Duration::ZERO; 2]);
        assert_eq!(patience(1), SHORTEST_TURN * 5 / 4);
        assert!(patience(5) > SHORTEST_TURN * 3 && patience(5) < SHORTEST_TURN * 31 / 10);
        assert_eq!(Priority::nice(3).patience(usual, ms(8)), Duration::from_nanos(15_625_000));
        let patience = |own: Priority, first| own.patience(first, Duration::ZERO);
        assert_eq!(patience(Priority::nice(-20), Priority::real_time(1)), MOST_PATIENCE);
        assert_eq!(patience(Priority::real_time(1), Priority::real_time(2)), MOST_PATIENCE);
    }

    #[test]
    fn turns_in_code_are_longer_for_the_first() {
        let (usual, nicer) = (Priority::default(), Priority::nice(3));
        assert_eq!(usual.share(ms(8), usual), ms(8));
        assert_eq!(usual.share(ms(8), nicer), Duration::from_nanos(15_625_000));
        assert_eq!(nicer.share(ms(8), usual), Duration::from_nanos(4_096_000));
        assert_eq!(usual.share(ms(40), Priority::nice(19)), MOST_PATIENCE);
        assert_eq!(Priority::nice(19).share(ms(40), usual), ms(1));
    }
}
