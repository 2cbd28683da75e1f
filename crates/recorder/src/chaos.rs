//! Scheduling at random, so that a race shows sooner (`retake record --chaos`).
//!
//! A task loses the CPU at random moments and to a random other one. The moments lie in the middle of
//! code as often as not: right there if the task has not run for long, else the task is first brought
//! to a cold place, which replay finds fast, and goes on from there for some microseconds. Either way
//! few places have to be tested in replay.

use std::time::Duration;

/// A place is near if the task has run no longer since its last event: replay then tests some ten
/// thousand arrivals at most.
pub(crate) const NEAR: Duration = Duration::from_micros(40);

/// Random numbers from a seed (xorshift64*, Marsaglia 2003 and Vigna 2016).
#[derive(Clone, Debug)]
pub(crate) struct Chaos {
    state: u64,
}

impl Chaos {
    pub(crate) fn new(seed: u64) -> Self {
        // The state must not be zero; neighbouring seeds must not start alike.
        let mut chaos = Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 };
        for _ in 0..4 {
            chaos.next();
        }
        chaos
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `limit`; 0 if that is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(1).max(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    /// How long a task may run: mostly short, now and then long, so that both a few instructions and
    /// whole phases of a program fall between two changes.
    pub(crate) fn slice(&mut self) -> Duration {
        let scale = [40, 200, 1000, 8000];
        let most = scale[self.below(scale.len())];
        Duration::from_micros(self.next() % most + 8)
    }

    /// Whether a task that has run for so long is stopped where it is: replay has few places to test
    /// then.
    pub(crate) fn stays_here(&mut self, ran: Duration) -> bool {
        ran < NEAR && self.below(4) != 0
    }

    /// How long a task runs on from a cold place before it is stopped wherever it is.
    pub(crate) fn step_aside(&mut self) -> Option<Duration> {
        (self.below(4) != 0).then(|| Duration::from_micros(self.next() % 40 + 1))
    }

    /// Whether the task changes at this event.
    pub(crate) fn changes_now(&mut self) -> bool {
        self.below(6) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_schedule_each_time() {
        let draw = |seed| {
            let mut chaos = Chaos::new(seed);
            (0..50)
                .map(|_| (chaos.slice(), chaos.below(7), chaos.changes_now()))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(draw(0).iter().any(|(_, _, changes)| *changes));
    }
}
