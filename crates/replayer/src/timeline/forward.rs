//! Running forwards, to arrivals that count.

use retake_execution::{Judge, RunPlan, Site, SiteId, Stop, StopReason, Verdict};
use retake_model::{Addr, EventIndex, Place, Position, TaskId};

use super::Timeline;
use super::ends::{fatal, last_pc, pc_of_signal, survived};
use super::travel::{OWN_SITE, own_site};
use crate::failure::Failure;
use crate::machine::Sink;
use crate::run::Step;
use crate::translated::CountFor;

impl Timeline {
    /// Goes to the last moment: the fatal signal or the exit is what comes next.
    pub(super) fn last(&mut self) -> Result<Stop, Failure> {
        self.bring(Position::at_event(self.last_moment))?;
        self.forward(&RunPlan::to_sites(retake_execution::Direction::Forward, &[]), None)
    }

    /// Runs to the wanted arrival, a fatal signal, the bound, or the last moment. Whoever goes on from a fatal
    /// signal sees what other tasks do after it.
    pub(super) fn forward(
        &mut self,
        plan: &RunPlan<'_>,
        mut judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, Failure> {
        if plan.bound.is_some_and(|bound| bound <= self.position) {
            return Ok(self.stop(StopReason::Reached));
        }
        if self.lost {
            self.bring(self.position)?;
        }
        let audience = self.control.audience.clone();
        let mut sink = |stream, bytes: &[u8]| {
            if let Some(audience) = &audience {
                audience.wrote(stream, bytes);
            }
        };
        let from = self.position;
        let mut left = plan.nth.get();
        self.machine.want_watches(plan.watches)?;
        let counts_inside = judge.is_none() && plan.watches.is_empty();
        self.machine.countdown = (counts_inside && left > 1).then_some(left);
        self.snapshots.start_clock();
        loop {
            let Some((index, event)) = self.machine.peek()?.cloned() else {
                return self.stand_at(Position::at_event(self.machine.done()), StopReason::End);
            };
            if let Some(bound) = plan.bound.filter(|bound| *bound <= Position::at_event(index)) {
                return self.stand_at(bound.max_with(from), StopReason::Reached);
            }
            let reason = match fatal(&event) {
                Some(signal) => Some(StopReason::Fatal(signal)),
                None if index == self.last_moment => Some(StopReason::End),
                None => {
                    let signal = survived(&event).filter(|signal| plan.signals.contains(*signal));
                    signal.map(StopReason::Signal)
                }
            };
            let stops_here =
                index == self.last_moment || matches!(reason, Some(StopReason::Signal(_)));
            let registers = self.machine.tasks.get(&event.task).map(|task| task.registers);
            let pc = reason.and(registers.as_ref()).and_then(|registers| match reason {
                Some(StopReason::Signal(_)) => pc_of_signal(registers, &event),
                _ => last_pc(registers, &event),
            });
            if let (Some(reason), None) = (reason, pc) {
                let here = Position::at_event(index);
                if from != here || stops_here {
                    return self.stand_at(here, reason);
                }
            }
            self.want_here(plan.sites)?;
            self.machine.count.wanted = match plan.bound.map(|bound| (bound.event(), bound.place()))
            {
                Some((event, Place::Exact(exact))) if event == index => {
                    CountFor::Places(vec![exact])
                }
                _ if pc.is_some() => CountFor::NextEvent,
                _ => CountFor::Nothing,
            };
            // What is asked about each event holds for none of the calls that are made in one go.
            let bound = plan.bound.map_or(self.last_moment, |bound| bound.event());
            let batch = reason.is_none().then_some(bound.min(self.last_moment));
            let mut step = self.step_together(batch, &mut sink)?;
            while let Step::Hit { task, place } | Step::Watched { task, place } = step {
                let here = Position::at_place(self.machine.done(), place);
                if plan.bound == Some(here) {
                    self.stand(task, here);
                    return Ok(self.stop(StopReason::Reached));
                }
                let watch = self.machine.watch_hit();
                if let (Step::Watched { .. }, Some(watch)) = (step, watch) {
                    self.stand(task, here);
                    left = left.saturating_sub(1);
                    if left == 0 {
                        return Ok(self.stop(StopReason::Watch(watch)));
                    }
                } else if let Some(site) = self.site_hit(task, place)? {
                    self.stand(task, here);
                    if self.is_counted(site, task, place, judge.as_deref_mut())? {
                        left = left.saturating_sub(1);
                        if counts_inside || left == 0 {
                            return Ok(self.stop(StopReason::Site(site)));
                        }
                    }
                }
                step = self.step_together(batch, &mut sink)?;
            }
            self.machine.count.wanted = CountFor::Nothing;
            if let Some(watch) = self.machine.watched.take_by_event() {
                left = left.saturating_sub(1);
                if left == 0 {
                    let here = Position::at_event(self.machine.done());
                    return self.stand_at(here, StopReason::Watch(watch));
                }
            }
            if let (Some(reason), Some(pc)) = (reason, pc) {
                let place = match self.machine.count.at_last_event() {
                    Some(branches) => Position::at_exact(index, branches, pc),
                    None => Position::at_event(index),
                };
                if place != from || stops_here {
                    self.bring(place)?;
                    return Ok(self.stop(reason));
                }
            }
            self.snapshots.consider(&mut self.machine);
        }
    }

    /// Steps to the next event, or over many calls in one go, of events before `until`.
    pub(super) fn step_together(
        &mut self,
        until: Option<EventIndex>,
        sink: Sink<'_>,
    ) -> Result<Step, Failure> {
        self.machine.batch = until;
        let step = self.step_keeping(sink);
        self.machine.batch = None;
        step
    }

    /// The machine has brought `task` to a place.
    pub(super) fn stand(&mut self, task: TaskId, at: Position) {
        self.position = at;
        self.task = task;
    }

    /// Whether an arrival counts for whoever judges: the timeline stands there.
    pub(super) fn is_counted(
        &mut self,
        site: SiteId,
        task: TaskId,
        place: Place,
        judge: Option<&mut Judge<'_>>,
    ) -> Result<bool, Failure> {
        let Some(judge) = judge else { return Ok(true) };
        let space = self.machine.task(task)?.space;
        let pc = place.pc().unwrap_or(Addr::NULL);
        let hit = retake_execution::Hit { site, position: self.position, task, space, pc };
        Ok(judge(&hit, self) == Verdict::Counts)
    }

    pub(super) fn stand_at(
        &mut self,
        position: Position,
        reason: StopReason,
    ) -> Result<Stop, Failure> {
        self.machine.count.wanted = CountFor::Nothing;
        self.machine.countdown = None;
        self.bring(position)?;
        Ok(self.stop(reason))
    }

    /// Wants sites, and one more to find a place by.
    pub(super) fn want_with(&mut self, sites: &[Site], own: Option<Addr>) -> Result<(), Failure> {
        let Some(pc) = own else { return self.machine.want_sites(sites) };
        let mut sites = sites.to_vec();
        sites.push(own_site(pc));
        self.machine.want_sites(&sites)
    }

    /// Wants sites for the stretch of code that the machine is in. Where only arrivals are counted, in the
    /// middle of it, new sites mean to go through it again.
    fn want_here(&mut self, sites: &[Site]) -> Result<(), Failure> {
        let counted = self.machine.branches(self.task)?.is_some();
        let known = |site: &Site| self.machine.wants(site.target);
        if !self.machine.is_at_event() && !counted && !sites.iter().all(known) {
            let position = self.position;
            self.lost = true;
            self.bring(position)?;
        }
        self.want_with(sites, None)
    }

    /// The caller's site that was hit, if it was one of those.
    pub(super) fn site_hit(
        &mut self,
        task: TaskId,
        place: Place,
    ) -> Result<Option<SiteId>, Failure> {
        let Some(pc) = place.pc() else { return Ok(None) };
        Ok(self.machine.site_at(task, pc)?.filter(|site| *site != OWN_SITE))
    }
}
