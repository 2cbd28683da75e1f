//! How long a task may run in code without events while others could run.

use std::time::Duration;

use super::{Candidate, Claim, POLL, Priority, WAITS_AT_MOST};

/// How long a task waits for all others in code without events.
const ROUND: Duration = Duration::from_millis(52);
/// The longest and the shortest turn in such code.
const LONGEST_SLICE: Duration = Duration::from_millis(40);
pub(super) const SHORTEST_SLICE: Duration = Duration::from_millis(2);
/// How long a task waits for all others there, if the ends of their turns are expensive.
const DEAR_ROUND: Duration = Duration::from_millis(80);
/// No end of a turn is expected to take longer.
const LONGEST_END: Duration = Duration::from_millis(40);

/// The tasks that could run while another one makes no calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others {
    /// How many there are that do not only wait.
    pub(super) runnable: usize,
    /// How many of those were left in the middle of code. The others mostly make a call before long.
    computing: usize,
    /// Since when the first of them waits.
    oldest: Duration,
    /// The first priority among them. Nothing if that is not known.
    pub(super) most_urgent: Option<Priority>,
    /// One that reads a clock again and again is to read it now.
    pub(super) polls: bool,
    /// One that only waits is to look at its memory now.
    pub(super) waits: bool,
}

impl Others {
    /// Those of `list`; with `unseen` there is another one, which has just stopped.
    pub(super) fn count(
        now: Duration,
        list: impl Iterator<Item = Candidate>,
        unseen: bool,
    ) -> Self {
        let runnable = usize::from(unseen);
        let mut all = Self {
            runnable,
            computing: 0,
            oldest: now,
            most_urgent: None,
            polls: false,
            waits: false,
        };
        for other in list {
            match other.claim {
                Claim::Waits => {
                    all.waits |= other.waited(now) >= WAITS_AT_MOST;
                    continue;
                }
                Claim::Polls => all.polls |= other.waited(now) >= POLL,
                _ => {}
            }
            all.runnable += 1;
            all.computing += usize::from(other.is_in_code);
            all.oldest = all.oldest.min(other.since);
            let first = all.most_urgent.map_or(other.priority, |first| first.min(other.priority));
            all.most_urgent = Some(first);
        }
        all
    }

    /// The longest turn.
    pub(super) fn slice(&self) -> Duration {
        (ROUND / at_least_one(self.runnable)).clamp(SHORTEST_SLICE, LONGEST_SLICE)
    }

    /// When a turn ends at last that began at `start` and is contended since then: if its end takes as long
    /// as the last one did, and that is expensive.
    pub(super) fn dear_end(
        &self,
        start: Duration,
        contended: Duration,
        cost: Duration,
    ) -> Duration {
        let round = DEAR_ROUND - cost.min(LONGEST_END);
        let slice = round / at_least_one(self.computing);
        let behind = SHORTEST_SLICE * (at_least_one(self.runnable) - 1);
        let in_time = (self.oldest + round).saturating_sub(behind);
        (contended + slice).min(in_time).max(start + SHORTEST_SLICE)
    }
}

fn at_least_one(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use retake_model::Tid;

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn others(list: &[(u64, bool)]) -> Others {
        let candidate = |(since, is_in_code): &(u64, bool)| Candidate {
            tid: Tid::new(1),
            claim: Claim::Runs,
            since: ms(*since),
            is_in_code: *is_in_code,
            priority: Priority::default(),
            last_turn: Duration::ZERO,
            seen_to_compute: 0,
        };
        Others::count(ms(1000), list.iter().map(candidate), false)
    }

    #[test]
    fn tasks_that_make_calls_soon_do_not_make_turns_shorter_that_are_expensive_to_end() {
        let one = others(&[(1000, false)]).dear_end(ms(1000), ms(1000), ms(20));
        assert_eq!(one, ms(1060));
        let four = others(&[(1000, false); 4]).dear_end(ms(1000), ms(1000), ms(20));
        assert_eq!(four, ms(1054));
        let computing = others(&[(1000, true); 4]).dear_end(ms(1000), ms(1000), ms(20));
        assert_eq!(computing, ms(1015));
    }

    #[test]
    fn nobody_waits_for_more_than_a_round_and_the_end_of_a_turn() {
        let end = others(&[(952, false), (990, false)]).dear_end(ms(1000), ms(1000), ms(20));
        assert_eq!(end, ms(1010));
        // But each turn is worth its end.
        let end = others(&[(900, false)]).dear_end(ms(1000), ms(1000), ms(20));
        assert_eq!(end, ms(1002));
    }
}
