//! What turns that end in the middle of code may cost.
//!
//! Such an event has a digest of all pages that were written since the last one, so it costs from microseconds
//! to a tenth of a second, once when recorded and once when replayed.

use std::time::Duration;

/// The program runs so many times as long as its turns take to be ended.
const SHARE: u32 = 19;
/// What may be spent ahead.
const ADVANCE: Duration = Duration::from_millis(20);
/// The same at random, where more ends of turns are what a user asks for.
const ADVANCE_AT_RANDOM: Duration = Duration::from_millis(400);
/// What costs no more at random is a price worth paying each time.
const CHEAP_AT_RANDOM: Duration = Duration::from_micros(400);
/// One dear event, such as the first one of a process, does not keep others away for longer.
const LONGEST_DEBT: Duration = Duration::from_secs(2);

/// How the session's turns are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawn {
    Usual,
    AtRandom,
}

/// The time until which what was spent is paid for (on the monotonic clock).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    paid: Duration,
    last: Duration,
}

impl Budget {
    /// The end of a turn in the middle of code has taken so long.
    pub(super) fn spend(&mut self, now: Duration, cost: Duration, drawn: Drawn) {
        self.last = cost;
        if drawn == Drawn::AtRandom && cost < CHEAP_AT_RANDOM {
            return;
        }
        self.paid = (self.paid.max(now) + cost * SHARE).min(now + LONGEST_DEBT);
    }

    /// What the last one has cost: the next one likely costs as much.
    pub(super) fn last(&self) -> Duration {
        self.last
    }

    /// From when on another one can be paid.
    pub(super) fn free_from(&self, drawn: Drawn) -> Duration {
        self.paid.saturating_sub(match drawn {
            Drawn::Usual => ADVANCE,
            Drawn::AtRandom => ADVANCE_AT_RANDOM,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_paid_by_time() {
        let ms = Duration::from_millis;
        let mut budget = Budget::default();
        assert!(budget.free_from(Drawn::Usual) <= ms(1000));
        budget.spend(ms(1000), ms(1), Drawn::Usual);
        assert!(budget.free_from(Drawn::Usual) <= ms(1000), "in advance");
        budget.spend(ms(1001), ms(10), Drawn::Usual);
        assert_eq!(budget.free_from(Drawn::Usual), ms(1000 + 11 * 19 - 20));
        budget.spend(ms(1001), ms(900), Drawn::Usual);
        assert_eq!(budget.free_from(Drawn::Usual), ms(1001 + 2000 - 20));
    }

    #[test]
    fn cheap_ends_are_free_at_random() {
        let mut budget = Budget::default();
        for n in 0..1000 {
            budget.spend(Duration::from_micros(n), Duration::from_micros(200), Drawn::AtRandom);
        }
        assert_eq!(budget.free_from(Drawn::AtRandom), Duration::ZERO);
    }
}
