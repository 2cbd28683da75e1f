//! How each run is made: with which scheduling, and for how long.

use std::time::Duration;

/// The first runs are plain: most failures that show natively show there.
const PLAIN_FIRST: u32 = 2;
/// After those, one run in so many is plain: some failures are not the schedule's.
const PLAIN_EACH: u32 = 4;
/// A run may take so many times as long as the first one that passed, and at least so long.
const TIMES: u32 = 10;
const SHORTEST: Duration = Duration::from_secs(10);

/// How a run is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// As `retake record` does.
    Plain,
    /// At random, from this seed.
    Chaos(u64),
}

/// How run `number` (from 1) of a hunt with this seed is scheduled.
pub(crate) fn schedule(number: u32, seed: u64) -> Schedule {
    if number <= PLAIN_FIRST || number.is_multiple_of(PLAIN_EACH) {
        return Schedule::Plain;
    }
    Schedule::Chaos(seed.wrapping_add(u64::from(number)))
}

/// How long each process of a run may take. None: for ever, as nothing is known yet.
pub(crate) fn bound(given: Option<Duration>, first_passing: Option<Duration>) -> Option<Duration> {
    given.or_else(|| Some(first_passing?.saturating_mul(TIMES).max(SHORTEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_runs_come_first_and_again() {
        let kinds: String =
            (1..=12).map(|n| if schedule(n, 7) == Schedule::Plain { 'p' } else { 'c' }).collect();
        assert_eq!(kinds, "ppcpcccpcccp");
    }

    #[test]
    fn each_run_has_a_seed_of_its_own() {
        assert_eq!(schedule(3, 7), Schedule::Chaos(10));
        assert_eq!(schedule(5, 7), Schedule::Chaos(12));
        assert_eq!(schedule(5, u64::MAX), Schedule::Chaos(4));
    }

    #[test]
    fn the_bound_is_given_or_ten_times_the_first() {
        let s = Duration::from_secs;
        assert_eq!(bound(None, None), None);
        assert_eq!(bound(Some(s(1)), Some(s(9))), Some(s(1)));
        assert_eq!(bound(None, Some(s(3))), Some(s(30)));
        assert_eq!(bound(None, Some(Duration::from_millis(3))), Some(s(10)));
    }
}
