//! What a hunt has found so far.

use std::time::Duration;

use super::{Failing, Kept, Schedule};

/// Failures that ended alike, at the same place.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) failing: Failing,
    /// What the output says of where.
    pub(crate) place: Option<String>,
    pub(crate) count: u32,
    /// The first of them.
    pub(crate) kept: Kept,
}

/// Runs, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) runs: u32,
    pub(crate) failed: u32,
}

/// Counts of a hunt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) plain: Count,
    pub(crate) chaos: Count,
    pub(crate) groups: Vec<Group>,
    pub(crate) passing: Option<Kept>,
    took: Duration,
}

impl Tally {
    pub(super) fn count(&mut self, schedule: Schedule, took: Duration, failed: bool) {
        let count = match schedule {
            Schedule::Plain => &mut self.plain,
            Schedule::Chaos(_) => &mut self.chaos,
        };
        count.runs += 1;
        count.failed += u32::from(failed);
        self.took += took;
    }

    /// Counts a failure; true if there was none like it.
    pub(super) fn is_new(&mut self, failing: &Failing, place: Option<&str>) -> bool {
        let alike =
            |group: &&mut Group| group.failing == *failing && group.place.as_deref() == place;
        match self.groups.iter_mut().find(alike) {
            Some(group) => {
                group.count += 1;
                false
            }
            None => true,
        }
    }

    pub(super) fn add(&mut self, failing: Failing, place: Option<String>, kept: Kept) {
        self.groups.push(Group { failing, place, count: 1, kept });
    }

    pub(crate) fn runs(&self) -> u32 {
        self.plain.runs + self.chaos.runs
    }

    pub(crate) fn failed(&self) -> u32 {
        self.plain.failed + self.chaos.failed
    }

    /// The time that a run takes, on average.
    pub(crate) fn each(&self) -> Duration {
        self.took.checked_div(self.runs()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let schedule = Schedule::Plain;
        Kept { dir: "/r".into(), command: Vec::new(), run: 1, schedule, output: Vec::new() }
    }

    #[test]
    fn runs_are_counted_by_schedule() {
        let mut tally = Tally::default();
        tally.count(Schedule::Plain, Duration::from_secs(1), false);
        tally.count(Schedule::Chaos(1), Duration::from_secs(3), true);
        assert_eq!((tally.runs(), tally.failed()), (2, 1));
        assert_eq!(tally.chaos, Count { runs: 1, failed: 1 });
        assert_eq!(tally.each(), Duration::from_secs(2));
        assert_eq!(Tally::default().each(), Duration::ZERO);
    }

    #[test]
    fn failures_are_grouped_by_how_and_where() {
        let mut tally = Tally::default();
        let exit = Failing::Exited(1);
        assert!(tally.is_new(&exit, Some("a")));
        tally.add(exit.clone(), Some("a".to_owned()), kept());
        assert!(!tally.is_new(&exit, Some("a")));
        assert!(tally.is_new(&exit, Some("b")));
        assert!(tally.is_new(&Failing::Exited(2), Some("a")));
        assert_eq!(tally.groups[0].count, 2);
    }
}
