//! Going to moments.

use std::sync::atomic::Ordering;

use retake_execution::{Site, SiteId, SiteTarget, Stop, StopReason};
use retake_model::{Addr, Arrival, EventIndex, Exact, Place, Position, TaskId};

use super::Timeline;
use crate::failure::Failure;
use crate::machine::Sink;
use crate::run::Step;
use crate::translated::CountFor;

/// The number of the site that a position is found by. Callers count from 0.
pub(super) const OWN_SITE: SiteId = SiteId::new(u32::MAX);

pub(super) fn own_site(pc: Addr) -> Site {
    Site::new(OWN_SITE, SiteTarget::Absolute(pc))
}

pub(super) fn no_sink(_: retake_recording::Stream, _: &[u8]) {}

/// Where the machine can go on from.
enum From {
    Here,
    Snapshot,
    Checkpoint(Option<retake_model::CheckpointIndex>),
}

impl Timeline {
    /// Runs `travel`; if that fails, goes back to where it was.
    pub(super) fn moving<T>(
        &mut self,
        travel: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let before = self.position;
        if self.control.is_interrupted() {
            // It does not begin, however soon it would be done.
            self.control.interrupt.store(false, Ordering::SeqCst);
            return Err(Failure::Interrupted);
        }
        let _as_in_the_program = self.thread.traps();
        let result = travel(self).map_err(|failure| self.machine.explain(failure));
        self.machine.countdown = None;
        self.machine.count.wanted = CountFor::Nothing;
        let result = result.and_then(|result| self.machine.forget_watches().map(|()| result));
        if result.is_err() {
            self.lose();
            // The way back is not to be interrupted by the request that led to it.
            self.control.interrupt.store(false, Ordering::SeqCst);
            if let Err(failure) = self.bring(before) {
                self.lose();
                return Err(failure);
            }
        }
        result
    }

    /// Nobody knows in which state the machine is.
    pub(super) fn lose(&mut self) {
        self.machine.clear();
        self.lost = true;
    }

    pub(super) fn task_of_next_event(&mut self) -> Result<TaskId, Failure> {
        let next = self.machine.peek()?.map(|(_, event)| event.task);
        let any = || self.machine.tasks.keys().next().copied();
        Ok(next.or_else(any).unwrap_or(self.task))
    }

    pub(super) fn stop(&mut self, reason: StopReason) -> Stop {
        let mut reasons = vec![reason];
        if reason == StopReason::Reached && self.position == self.start {
            reasons.push(StopReason::Start);
        }
        if matches!(reason, StopReason::Fatal(_)) && self.position.event() == self.last_moment {
            reasons.push(StopReason::End);
        }
        Stop { position: self.position, task: self.task, reasons }
    }

    /// Makes `to` the moment.
    pub(super) fn bring(&mut self, to: Position) -> Result<(), Failure> {
        let to = if to < self.start { self.start } else { to };
        self.bring_near(to)?;
        self.task = self.task_of_next_event()?;
        self.position = match to.place() {
            Place::Event => to,
            Place::Exact(exact) => self.run_to_exact(to, exact)?,
            Place::Arrival(arrival) => self.run_to_arrival(to, arrival)?,
        };
        self.lost = false;
        Ok(())
    }

    /// Makes `to` the moment, and keeps snapshots at moments on the way, which are in order.
    pub(super) fn bring_keeping(
        &mut self,
        on_the_way: &[Position],
        to: Position,
    ) -> Result<(), Failure> {
        let best = self.snapshots.nearest(to);
        for moment in on_the_way.iter().filter(|_| best != Some(to)) {
            if best.is_none_or(|best| *moment > best) {
                self.bring(*moment)?;
                self.snapshots.keep(&mut self.machine);
            }
        }
        self.bring(to)
    }

    /// From the event before it, or a place on the way.
    fn run_to_exact(&mut self, to: Position, exact: Exact) -> Result<Position, Failure> {
        if self.machine.here()? == Some(to) {
            return Ok(to);
        }
        self.machine.want_sites(&[])?;
        self.machine.count.wanted = CountFor::Places(vec![exact]);
        let step = loop {
            match self.step_keeping(&mut no_sink) {
                Ok(Step::Hit { place, .. }) if place != to.place() => {}
                Ok(Step::Watched { .. }) => {}
                step => break step,
            }
        };
        self.machine.count.wanted = CountFor::Nothing;
        match step? {
            Step::Hit { .. } => Ok(to),
            Step::Watched { .. } | Step::Paused | Step::Event | Step::End => {
                Err(Failure::NotFound(format!(
                    "there is no moment {to}: its task is not at {} when it has executed {} branches \
                 since event {}",
                    exact.pc,
                    exact.branches,
                    to.event()
                )))
            }
        }
    }

    /// From the event before it. Gives the same place in the form that is printed.
    fn run_to_arrival(&mut self, to: Position, arrival: Arrival) -> Result<Position, Failure> {
        self.machine.want_sites(&[own_site(arrival.pc)])?;
        let mut passed = 0;
        loop {
            match self.machine.step(&mut no_sink)? {
                Step::Hit { place, .. } if place.pc() == Some(arrival.pc) => {
                    passed += 1;
                    if passed == arrival.nth {
                        return Ok(Position::at_place(to.event(), place));
                    }
                }
                Step::Hit { .. } | Step::Watched { .. } | Step::Paused => {}
                Step::Event | Step::End => {
                    return Err(Failure::NotFound(format!(
                        "there is no moment {to}: its task does not arrive there so often"
                    )));
                }
            }
        }
    }

    /// The next step of the machine. Where it takes long, and the task runs from its cache, snapshots are taken on
    /// the way.
    pub(super) fn step_keeping(&mut self, sink: Sink<'_>) -> Result<Step, Failure> {
        loop {
            self.machine.pause_at = self.snapshots.due_in_code();
            let step = self.machine.step(&mut *sink);
            self.machine.pause_at = None;
            match step? {
                Step::Paused => self.snapshots.keep(&mut self.machine),
                step => return Ok(step),
            }
        }
    }

    /// Brings the machine to where so many events have taken effect.
    pub(super) fn bring_to_event(&mut self, event: EventIndex) -> Result<(), Failure> {
        self.bring_near(Position::at_event(event))
    }

    /// Brings the machine to the event before a moment, or to a place behind that which is not after the moment.
    pub(super) fn bring_near(&mut self, moment: Position) -> Result<(), Failure> {
        // Arrivals are counted from the event on.
        let moment = match moment.place() {
            Place::Arrival(_) => Position::at_event(moment.event()),
            Place::Event | Place::Exact(_) => moment,
        };
        let event = moment.event();
        let count = self.recording.event_count();
        if event > count {
            return Err(Failure::NotFound(format!(
                "there is no event {event}: the recording has {count}"
            )));
        }
        let checkpoint = self.recording.nearest_checkpoint(event);
        let at = |index| self.recording.checkpoints().iter().find(|c| Some(c.index) == index);
        let on_disk = at(checkpoint).map_or(EventIndex::ZERO, |c| c.event);
        let mut best = (Position::at_event(on_disk), From::Checkpoint(checkpoint));
        if let Some(kept) = self.snapshots.nearest(moment).filter(|kept| *kept >= best.0) {
            best = (kept, From::Snapshot);
        }
        if !self.lost
            && let Some(here) = self.machine.here()?
            && (best.0..=moment).contains(&here)
        {
            best = (here, From::Here);
        }
        self.lost = true;
        match best {
            (_, From::Here) => {}
            (kept, From::Snapshot) => {
                let Some(machine) = self.snapshots.take(kept) else {
                    // That snapshot is gone: from the next best place.
                    return self.bring_near(moment);
                };
                self.machine = machine;
                self.snapshots.start_clock();
            }
            (_, From::Checkpoint(Some(index))) => {
                self.machine.restore(index)?;
                self.snapshots.start_clock();
            }
            (_, From::Checkpoint(None)) => {
                self.machine.clear();
                self.snapshots.start_clock();
            }
        }
        self.machine.want_sites(&[])?;
        while self.machine.done() < event {
            self.machine.batch = Some(event);
            let step = self.machine.step(&mut no_sink);
            self.machine.batch = None;
            if step? == Step::End {
                break;
            }
            self.snapshots.consider(&mut self.machine);
        }
        self.control.reach(self.machine.done());
        Ok(())
    }
}
