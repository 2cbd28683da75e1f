//! When checkpoints are due.

use std::time::Duration;

use retake_ptrace::monotonic;

use super::copies::Progress;

/// Replaying an event takes about this long, whatever it took to record.
const EVENT_COST: Duration = Duration::from_micros(5);
/// A checkpoint may take this share of the time since the one before.
const LARGEST_SHARE: u32 = 25;

/// A stretch without events has no checkpoint before it took so long.
const LEAST_STRETCH: Duration = Duration::from_secs(1);

/// Taking all of an address space happens once: this part of it counts when the next one is due.
const ONCE_SHARE: u32 = 10;

/// When checkpoints are due.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    run_time: Duration,
    /// On the monotonic clock.
    since: Duration,
    last: Duration,
    cost: Duration,
    /// What the event took that was made for the next one.
    event_cost: Duration,
    events: u32,
    announced: bool,
    /// When one could last have been made, on the monotonic clock: a task stood at an event.
    possible: Duration,
    /// Copies that the pages of the last one are read from.
    copies: Vec<Progress>,
}

/// What is to be done about checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    No,
    /// One comes soon: get ready. Said once before each.
    Soon,
    Now,
}

impl Schedule {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            run_time: Duration::ZERO,
            since: monotonic(),
            last: Duration::ZERO,
            cost: Duration::ZERO,
            event_cost: Duration::ZERO,
            events: 0,
            announced: false,
            possible: Duration::ZERO,
            copies: Vec::new(),
        }
    }

    /// No more checkpoints.
    pub(crate) fn stop(&mut self) {
        self.interval = Duration::MAX;
    }

    /// Everybody waits from here on: no run time passes.
    pub(crate) fn pause(&mut self) {
        self.run_time += monotonic().saturating_sub(self.since);
    }

    /// Somebody runs again.
    pub(crate) fn resume(&mut self) {
        self.since = monotonic();
    }

    pub(crate) fn count_event(&mut self) {
        self.events += 1;
    }

    /// Time the program has been running.
    pub(crate) fn run_time(&self) -> Duration {
        self.run_time_at(monotonic())
    }

    fn run_time_at(&self, now: Duration) -> Duration {
        self.run_time + now.saturating_sub(self.since)
    }

    /// Asked where one can be made. Due when re-executing from the last checkpoint would take an interval by
    /// now, unless checkpoints would take too large a share of the time.
    pub(crate) fn due(&mut self) -> Due {
        self.possible = monotonic();
        let ran = self.run_time_at(self.possible).saturating_sub(self.last);
        let replay = ran.max(EVENT_COST.saturating_mul(self.events));
        if replay >= self.interval && ran >= self.cost.saturating_mul(LARGEST_SHARE) {
            return if self.last_is_read() { Due::Now } else { Due::No };
        }
        if !self.announced && replay >= self.interval / 2 {
            self.announced = true;
            return Due::Soon;
        }
        Due::No
    }

    /// Whether one is due in the middle of code, where none could be made for so long. Calls that are made
    /// without a stop are events where none can be made.
    pub(crate) fn is_due_in_stretch(&self, now: Duration) -> bool {
        let ran = self.run_time_at(now).saturating_sub(self.last);
        now.saturating_sub(self.possible) >= self.interval.max(LEAST_STRETCH)
            && ran >= self.interval
            && ran >= self.cost.saturating_mul(LARGEST_SHARE)
            && self.last_is_read()
    }

    /// Pages of the next one are read from a copy.
    pub(super) fn wait_for(&mut self, copy: Progress) {
        self.copies.push(copy);
    }

    fn last_is_read(&self) -> bool {
        !self.copies.iter().any(Progress::is_going_on)
    }

    /// Whether the last one was given up, as a copy was gone. Said once.
    pub(super) fn has_lost_one(&mut self) -> bool {
        std::mem::take(&mut self.copies).iter().any(Progress::is_lost)
    }

    /// The event that the next one is made at took so long.
    pub(super) fn event_took(&mut self, cost: Duration) {
        self.event_cost = cost;
    }

    /// One was made: it took `cost`, and of that `once` for address spaces that had none before.
    pub(super) fn made(&mut self, cost: Duration, once: Duration) {
        self.last = self.run_time();
        let event_cost = std::mem::take(&mut self.event_cost);
        self.cost = event_cost + cost.saturating_sub(once) + once / ONCE_SHARE;
        self.events = 0;
        self.announced = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_waits_until_the_last_one_is_read() {
        let mut schedule = Schedule::new(Duration::ZERO);
        assert_eq!(schedule.due(), Due::Now);
        let copies = [Progress::default(), Progress::default()];
        copies.iter().for_each(|copy| schedule.wait_for(copy.clone()));
        copies[0].set(Progress::DONE);
        assert_eq!(schedule.due(), Due::No, "the second copy is still being read");
        copies[1].set(Progress::DONE);
        assert_eq!(schedule.due(), Due::Now);
        assert!(!schedule.has_lost_one());
    }

    #[test]
    fn a_lost_copy_is_told_once() {
        let mut schedule = Schedule::new(Duration::ZERO);
        let copy = Progress::default();
        schedule.wait_for(copy.clone());
        copy.set(Progress::LOST);
        // It is dropped after its last page, too.
        copy.set(Progress::DONE);
        assert_eq!(schedule.due(), Due::Now);
        assert!(schedule.has_lost_one());
        assert!(!schedule.has_lost_one());
    }
}
