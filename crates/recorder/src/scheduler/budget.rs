//! What turns that end in the middle of code may cost.
//!
//! Such an event has a digest of all pages that were written since the last one, so it costs from microseconds
//! to a tenth of a second, once when recorded and once when replayed. At random, tasks are also stepped
//! through some hundred instructions after an event: that costs milliseconds.

use std::time::Duration;

/// One dear event, such as the first one of a process, does not keep others away for longer.
const LONGEST_DEBT: Duration = Duration::from_secs(2);

/// What something may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terms {
    /// Ends of turns in the middle of code.
    Usual,
    /// The same at random, where more of them are what a user asks for.
    AtRandom,
    /// Instructions stepped through one by one.
    Steps,
    /// Comparisons of pages that showed that a task computes.
    Comparisons,
}

impl Terms {
    /// The program runs so many times as long as this takes.
    fn share(self) -> u32 {
        match self {
            Self::Usual | Self::AtRandom => 19,
            Self::Steps => 3,
            Self::Comparisons => 49,
        }
    }

    /// What may be spent ahead, as time that the program runs.
    fn advance(self) -> Duration {
        Duration::from_millis(match self {
            Self::Usual => 20,
            Self::AtRandom => 400,
            Self::Steps => 150,
            Self::Comparisons => 100,
        })
    }

    /// What costs no more is a price worth paying each time.
    fn cheap(self) -> Duration {
        match self {
            Self::Usual | Self::Steps | Self::Comparisons => Duration::ZERO,
            Self::AtRandom => Duration::from_micros(400),
        }
    }
}

/// The time until which what was spent is paid for (on the monotonic clock).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    paid: Duration,
    last: Duration,
}

impl Budget {
    /// This has cost so much.
    pub(super) fn spend(&mut self, now: Duration, cost: Duration, terms: Terms) {
        self.last = cost;
        if cost < terms.cheap() {
            return;
        }
        self.paid = (self.paid.max(now) + cost * terms.share()).min(now + LONGEST_DEBT);
    }

    /// What the last time has cost: the next one likely costs as much.
    pub(super) fn last(&self) -> Duration {
        self.last
    }

    /// From when on the next time can be paid.
    pub(super) fn free_from(&self, terms: Terms) -> Duration {
        self.paid.saturating_sub(terms.advance())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_paid_by_time() {
        let ms = Duration::from_millis;
        let mut budget = Budget::default();
        assert!(budget.free_from(Terms::Usual) <= ms(1000));
        budget.spend(ms(1000), ms(1), Terms::Usual);
        assert!(budget.free_from(Terms::Usual) <= ms(1000), "in advance");
        budget.spend(ms(1001), ms(10), Terms::Usual);
        assert_eq!(budget.free_from(Terms::Usual), ms(1000 + 11 * 19 - 20));
        budget.spend(ms(1001), ms(900), Terms::Usual);
        assert_eq!(budget.free_from(Terms::Usual), ms(1001 + 2000 - 20));
    }

    #[test]
    fn cheap_ends_are_free_at_random() {
        let mut budget = Budget::default();
        for n in 0..1000 {
            budget.spend(Duration::from_micros(n), Duration::from_micros(200), Terms::AtRandom);
        }
        assert_eq!(budget.free_from(Terms::AtRandom), Duration::ZERO);
    }
}
