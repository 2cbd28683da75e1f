//! Going to moments, and running to hits in both directions.

use std::sync::atomic::Ordering;

use retake_execution::{Site, SiteId, SiteTarget, Stop, StopReason};
use retake_model::{Addr, Arrival, EventIndex, Exact, Place, Position, TaskId};

use super::Timeline;
use super::ends::{fatal, last_pc};
use crate::failure::Failure;
use crate::processor::same_traps;
use crate::run::Step;
use crate::translated::CountFor;

/// The number of the site that a position is found by. Callers count from 0.
const OWN_SITE: SiteId = SiteId::new(u32::MAX);

fn own_site(pc: Addr) -> Site {
    Site { id: OWN_SITE, target: SiteTarget::Absolute(pc) }
}

fn no_sink(_: retake_recording::Stream, _: &[u8]) {}

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
        let _as_in_the_program = same_traps(&self.recording);
        let result = travel(self).map_err(|failure| self.machine.explain(failure));
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
    fn lose(&mut self) {
        self.machine.clear();
        self.lost = true;
    }

    fn task_of_next_event(&mut self) -> Result<TaskId, Failure> {
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
        self.bring_to_event(to.event())?;
        self.task = self.task_of_next_event()?;
        self.position = match to.place() {
            Place::Event => to,
            Place::Exact(exact) => self.run_to_exact(to, exact)?,
            Place::Arrival(arrival) => self.run_to_arrival(to, arrival)?,
        };
        self.lost = false;
        Ok(())
    }

    /// From the event before it.
    fn run_to_exact(&mut self, to: Position, exact: Exact) -> Result<Position, Failure> {
        self.machine.want_sites(&[])?;
        self.machine.count.wanted = CountFor::Place(exact);
        let step = loop {
            match self.machine.step(&mut no_sink) {
                Ok(Step::Hit { place, .. }) if place != to.place() => {}
                step => break step,
            }
        };
        self.machine.count.wanted = CountFor::Nothing;
        match step? {
            Step::Hit { .. } => Ok(to),
            Step::Event | Step::End => Err(Failure::NotFound(format!(
                "there is no moment {to}: its task is not at {} when it has executed {} branches \
                 since event {}",
                exact.pc,
                exact.branches,
                to.event()
            ))),
        }
    }

    /// From the event before it. Gives the same place in the form that is printed.
    fn run_to_arrival(&mut self, to: Position, arrival: Arrival) -> Result<Position, Failure> {
        self.want_with(Some(arrival.pc))?;
        let mut passed = 0;
        loop {
            match self.machine.step(&mut no_sink)? {
                Step::Hit { place, .. } if place.pc() == Some(arrival.pc) => {
                    passed += 1;
                    if passed == arrival.nth {
                        return Ok(Position::at_place(to.event(), place));
                    }
                }
                Step::Hit { .. } => {}
                Step::Event | Step::End => {
                    return Err(Failure::NotFound(format!(
                        "there is no moment {to}: its task does not arrive there so often"
                    )));
                }
            }
        }
    }

    fn bring_to_event(&mut self, event: EventIndex) -> Result<(), Failure> {
        let count = self.recording.event_count();
        if event > count {
            return Err(Failure::NotFound(format!(
                "there is no event {event}: the recording has {count}"
            )));
        }
        let checkpoint = self.recording.nearest_checkpoint(event);
        let at = |index| self.recording.checkpoints().iter().find(|c| Some(c.index) == index);
        let mut best =
            (at(checkpoint).map_or(EventIndex::ZERO, |c| c.event), From::Checkpoint(checkpoint));
        if let Some(kept) = self.snapshots.nearest(event).filter(|kept| *kept >= best.0) {
            best = (kept, From::Snapshot);
        }
        let done = self.machine.done();
        let behind = done < event || (done == event && self.machine.is_at_event());
        if !self.lost && behind && done >= best.0 {
            best = (done, From::Here);
        }
        self.lost = true;
        match best {
            (_, From::Here) => {}
            (kept, From::Snapshot) => {
                let Some(machine) = self.snapshots.take(kept) else {
                    // That snapshot is gone: from the next best place.
                    return self.bring_to_event(event);
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
        Ok(())
    }

    /// Wants the caller's sites, and one more to find a place by.
    fn want_with(&mut self, own: Option<Addr>) -> Result<(), Failure> {
        let Some(pc) = own else { return self.machine.want_sites(&self.sites) };
        let mut sites = self.sites.clone();
        sites.push(own_site(pc));
        self.machine.want_sites(&sites)
    }

    /// Wants sites for the stretch of code that the machine is in. Where only arrivals are counted, in the
    /// middle of it, new sites mean to go through it again.
    fn want_here(&mut self) -> Result<(), Failure> {
        let counted = self.machine.branches(self.task)?.is_some();
        let known = |site: &Site| self.machine.wants(site.target);
        if !self.machine.is_at_event() && !counted && !self.sites.iter().all(known) {
            let position = self.position;
            self.lost = true;
            self.bring(position)?;
        }
        self.want_with(None)
    }

    /// The caller's site that was hit, if it was one of those.
    fn site_hit(&self, task: TaskId, pc: Addr) -> Option<SiteId> {
        let space = self.machine.tasks.get(&task)?.space;
        self.machine.site_at(space, pc).filter(|site| *site != OWN_SITE)
    }

    /// Goes to the last moment: the fatal signal or the exit is what comes next.
    pub(super) fn last(&mut self) -> Result<Stop, Failure> {
        self.bring(Position::at_event(self.last_moment))?;
        let sites = std::mem::take(&mut self.sites);
        let stop = self.forward();
        self.sites = sites;
        stop
    }

    /// Runs to the next hit, a fatal signal, or the last moment. Whoever goes on from a fatal signal
    /// sees what other tasks do after it.
    pub(super) fn forward(&mut self) -> Result<Stop, Failure> {
        if self.lost {
            self.bring(self.position)?;
        }
        let from = self.position;
        self.snapshots.start_clock();
        loop {
            let Some((index, event)) = self.machine.peek()?.cloned() else {
                return self.stand_at(Position::at_event(self.machine.done()), StopReason::End);
            };
            let reason = match fatal(&event) {
                Some(signal) => Some(StopReason::Fatal(signal)),
                None => (index == self.last_moment).then_some(StopReason::End),
            };
            let registers = self.machine.tasks.get(&event.task).map(|task| task.registers);
            let pc =
                reason.and(registers.as_ref()).and_then(|registers| last_pc(registers, &event));
            if let (Some(reason), None) = (reason, pc) {
                let here = Position::at_event(index);
                if from != here || index == self.last_moment {
                    return self.stand_at(here, reason);
                }
            }
            self.want_here()?;
            self.machine.count.wanted = match pc {
                Some(_) => CountFor::NextEvent,
                None => CountFor::Nothing,
            };
            let step = self.machine.step(&mut no_sink);
            self.machine.count.wanted = CountFor::Nothing;
            let mut step = step?;
            while let Step::Hit { task, place } = step {
                let site = place.pc().and_then(|at| self.site_hit(task, at));
                if let Some(site) = site {
                    self.position = Position::at_place(index, place);
                    self.task = task;
                    return Ok(self.stop(StopReason::Site(site)));
                }
                step = self.machine.step(&mut no_sink)?;
            }
            if let (Some(reason), Some(pc)) = (reason, pc) {
                let place = match self.machine.count.at_last_event() {
                    Some(branches) => Position::at_exact(index, branches, pc),
                    None => Position::at_event(index),
                };
                if place != from || index == self.last_moment {
                    self.bring(place)?;
                    return Ok(self.stop(reason));
                }
            }
            self.snapshots.consider(&mut self.machine);
        }
    }

    fn stand_at(&mut self, position: Position, reason: StopReason) -> Result<Stop, Failure> {
        self.bring(position)?;
        Ok(self.stop(reason))
    }

    /// Runs back to the previous hit, or the start.
    pub(super) fn backward(&mut self) -> Result<Stop, Failure> {
        let mut upper = self.position;
        while upper > self.start {
            let first = self.scan_start(upper);
            let last = self.last_hit_between(first, upper)?;
            if let Some((position, site)) = last {
                self.bring(position)?;
                return Ok(self.stop(StopReason::Site(site)));
            }
            upper = Position::at_event(first);
        }
        self.stand_at(self.start, StopReason::Start)
    }

    /// The latest event before `upper` that the replay can begin at without re-executing.
    fn scan_start(&self, upper: Position) -> EventIndex {
        let before = match upper.place() {
            Place::Arrival(_) | Place::Exact(_) => upper.event(),
            Place::Event => EventIndex::new(upper.event().get().saturating_sub(1)),
        };
        let checkpoints = self.recording.checkpoints().iter().map(|c| c.event);
        let on_disk = checkpoints.filter(|event| *event <= before).max();
        let nearest = on_disk.max(self.snapshots.nearest(before));
        nearest.unwrap_or(EventIndex::ZERO).max(self.start.event())
    }

    fn last_hit_between(
        &mut self,
        first: EventIndex,
        upper: Position,
    ) -> Result<Option<(Position, SiteId)>, Failure> {
        let last = self.scan(first, upper);
        self.machine.count.wanted = CountFor::Nothing;
        last
    }

    fn scan(
        &mut self,
        first: EventIndex,
        upper: Position,
    ) -> Result<Option<(Position, SiteId)>, Failure> {
        self.bring_to_event(first)?;
        let own = upper.place().pc();
        match upper.place() {
            Place::Exact(exact) if self.machine.done() == upper.event() => {
                self.machine.count.wanted = CountFor::Place(exact);
                self.want_with(None)?;
            }
            Place::Exact(_) => self.want_with(None)?,
            _ => self.want_with(own)?,
        }
        let mut last = None;
        while self.machine.done() < upper.event() || own.is_some() {
            let event = self.machine.done();
            match self.machine.step(&mut no_sink)? {
                Step::Hit { task, place } => {
                    let here = Position::at_place(event, place);
                    if here == upper {
                        break;
                    }
                    if let Some(site) = place.pc().and_then(|pc| self.site_hit(task, pc)) {
                        last = Some((here, site));
                    }
                }
                Step::Event if event < upper.event() => {
                    if let Place::Exact(exact) = upper.place()
                        && self.machine.done() == upper.event()
                    {
                        self.machine.count.wanted = CountFor::Place(exact);
                    }
                    self.snapshots.consider(&mut self.machine);
                }
                Step::Event | Step::End => break,
            }
        }
        Ok(last)
    }

    /// Runs on to the next hit, whatever else happens; `None` at the end of the recording.
    pub(super) fn next_hit(&mut self) -> Result<Option<(SiteId, TaskId, Addr)>, Failure> {
        self.machine.want_sites(&self.sites)?;
        loop {
            self.machine.batch = Some(self.recording.event_count());
            let step = self.machine.step(&mut no_sink);
            self.machine.batch = None;
            match step? {
                Step::Hit { task, place } => {
                    let Some(pc) = place.pc() else { continue };
                    let Some(site) = self.site_hit(task, pc) else { continue };
                    self.position = Position::at_place(self.machine.done(), place);
                    self.task = task;
                    return Ok(Some((site, task, pc)));
                }
                Step::Event => {}
                Step::End => return Ok(None),
            }
        }
    }
}
