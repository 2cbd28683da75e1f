//! Timelines that go through intervals of a recording beside each other.

use retake_execution::{Direction, Hit, Look, RunPlan, Seen, Site};
use retake_recording::Recording;

use super::Timeline;
use super::backward::Counted;
use super::scan::{Arrived, Scan, What};
use super::snapshots::Snapshots;
use crate::failure::Failure;
use crate::intervals::{Interval, Work};
use crate::search::Control;
use crate::thread::ReplayThread;
use crate::translated::CountFor;

impl Timeline {
    /// A timeline for a thread that goes through intervals.
    pub(super) fn scouting(recording: &Recording, control: &Control, thread: ReplayThread) -> Self {
        Self::nowhere(recording.clone(), control.clone(), thread, Snapshots::none())
    }

    /// Runs `go` over an interval. What failed on the way leaves nothing behind.
    fn through(
        &mut self,
        interval: &Interval,
        go: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let result = go(self).and_then(|()| self.end_interval(interval));
        if result.is_err() {
            self.machine.countdown = None;
            self.machine.count.wanted = CountFor::Nothing;
            self.lose();
        }
        result
    }

    /// Compares with the checkpoint at the end of an interval, where that says whether what was found is as
    /// recorded. A replay that is as recorded goes on from there.
    fn end_interval(&mut self, interval: &Interval) -> Result<(), Failure> {
        if let (false, Some(check)) = (self.thread.is_as_recorded(), interval.check) {
            self.machine.check(check)?;
        }
        self.lost = false;
        Ok(())
    }
}

/// Lists hits, with what is seen at each.
pub(super) struct Listing<'a> {
    pub(super) recording: &'a Recording,
    pub(super) sites: &'a [Site],
    pub(super) look: &'a Look<'a>,
}

impl Work for Listing<'_> {
    type Hand = Timeline;
    type Found = (Hit, Seen);

    fn begin(&self, thread: ReplayThread, control: &Control) -> Timeline {
        Timeline::scouting(self.recording, control, thread)
    }

    fn go_through(
        &self,
        scout: &mut Timeline,
        interval: &Interval,
        found: &mut dyn FnMut((Hit, Seen)),
    ) -> Result<(), Failure> {
        let mut arrived = |scout: &mut Timeline, Arrived { at, what, task, .. }: Arrived| {
            let What::Site(site) = what else { return Ok(Scan::GoOn) };
            scout.stand(task, at);
            let hit = scout.hit(site, task)?;
            found((hit, (self.look)(&hit, scout)));
            Ok(Scan::GoOn)
        };
        scout.through(interval, |scout| {
            scout.scan(interval.first, interval.until, self.sites, &mut arrived)
        })
    }
}

/// Counts hits, and remembers the last ones of each interval.
pub(super) struct Counting<'a> {
    pub(super) recording: &'a Recording,
    pub(super) sites: &'a [Site],
}

impl Work for Counting<'_> {
    type Hand = Timeline;
    type Found = Counted;

    fn begin(&self, thread: ReplayThread, control: &Control) -> Timeline {
        Timeline::scouting(self.recording, control, thread)
    }

    fn go_through(
        &self,
        scout: &mut Timeline,
        interval: &Interval,
        found: &mut dyn FnMut(Counted),
    ) -> Result<(), Failure> {
        let mut counted = Counted::default();
        scout.through(interval, |scout| {
            let plan = RunPlan::to_sites(Direction::Backward, self.sites);
            counted = scout.count_between(interval.first, interval.until, &plan, 1)?;
            Ok(())
        })?;
        found(counted);
        Ok(())
    }
}
