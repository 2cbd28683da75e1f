//! Going through a stretch of the recording forwards, and telling of each arrival.

use std::time::Duration;

use retake_execution::{RunPlan, Site, SiteId, WatchId};
use retake_model::{EventIndex, Place, Position, TaskId};
use retake_ptrace::monotonic;

use super::Timeline;
use super::travel::no_sink;
use crate::failure::Failure;
use crate::run::Step;
use crate::translated::CountFor;

/// An arrival at a site.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) at: Position,
    pub(super) what: What,
    pub(super) task: TaskId,
    /// When the scan came there, on the monotonic clock: how long the way between two of them is.
    pub(super) seen: Duration,
}

impl Arrived {
    fn now(at: Position, what: What, task: TaskId) -> Self {
        Self { at, what, task, seen: monotonic() }
    }
}

/// What a task came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Site(SiteId),
    /// It has accessed watched memory right before.
    Access(WatchId),
    /// The event before wrote there.
    Effect(WatchId),
}

/// Whether a scan goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    GoOn,
    Stop,
}

impl Timeline {
    /// The same as [`Self::scan`], with the accesses of watched memory.
    pub(super) fn scan_watching(
        &mut self,
        first: EventIndex,
        upper: Position,
        plan: &RunPlan<'_>,
        arrived: &mut dyn FnMut(&mut Self, Arrived) -> Result<Scan, Failure>,
    ) -> Result<(), Failure> {
        self.watches = plan.watches.to_vec();
        let scanned = self.scan(first, upper, plan.sites, arrived);
        self.watches.clear();
        scanned?;
        self.machine.forget_watches()
    }

    /// Gives the arrivals from event `first` up to `upper`, which is none of them, in order.
    pub(super) fn scan(
        &mut self,
        first: EventIndex,
        upper: Position,
        sites: &[Site],
        arrived: &mut dyn FnMut(&mut Self, Arrived) -> Result<Scan, Failure>,
    ) -> Result<(), Failure> {
        // The machine may be another one then.
        let countdown = self.machine.countdown.take();
        self.bring_to_event(first)?;
        self.machine.countdown = countdown;
        let watches = self.watches.clone();
        self.machine.want_watches(&watches)?;
        let own = upper.place().pc();
        let exact = |done: EventIndex| match upper.place() {
            Place::Exact(exact) if done == upper.event() => CountFor::Places(vec![exact]),
            _ => CountFor::Nothing,
        };
        self.machine.count.wanted = exact(self.machine.done());
        let by_arrival = matches!(upper.place(), Place::Arrival(_));
        self.want_with(sites, own.filter(|_| by_arrival))?;
        while self.machine.done() < upper.event() || own.is_some() {
            let begun_at = self.machine.done();
            if own.is_none() {
                self.machine.batch = Some(upper.event());
            }
            let step = self.machine.step(&mut no_sink);
            self.machine.batch = None;
            // One step may be many events, and an arrival after those.
            let done = self.machine.done();
            match step? {
                Step::Hit { task, place } => {
                    let at = Position::at_place(done, place);
                    if at == upper {
                        break;
                    }
                    if let Some(site) = self.site_hit(task, place)?
                        && arrived(self, Arrived::now(at, What::Site(site), task))? == Scan::Stop
                    {
                        break;
                    }
                }
                Step::Watched { task, place } => {
                    let at = Position::at_place(done, place);
                    if let Some(watch) = self.machine.watch_hit() {
                        arrived(self, Arrived::now(at, What::Access(watch), task))?;
                    }
                }
                Step::Event if begun_at < upper.event() => {
                    let last = done.get().checked_sub(1).map(EventIndex::new);
                    if let (Some(watch), Some(last)) = (self.machine.watched.take_by_event(), last)
                    {
                        let task = self.recording.event(last)?.task;
                        let at = Position::at_event(done);
                        arrived(self, Arrived::now(at, What::Effect(watch), task))?;
                    }
                    self.machine.count.wanted = exact(done);
                    self.snapshots.consider(&mut self.machine);
                }
                Step::Paused => {}
                Step::Event | Step::End => break,
            }
        }
        self.machine.count.wanted = CountFor::Nothing;
        Ok(())
    }
}
