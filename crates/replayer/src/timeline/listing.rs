//! Hits over the whole recording, without moving.

use std::ops::ControlFlow;

use retake_execution::{ExecutionError, Hit, Look, Seen, Site, State};
use retake_model::{EventIndex, Position, TaskId};

use super::Timeline;
use super::scouts::{Counting, Listing};
use super::travel::no_sink;
use crate::failure::Failure;
use crate::intervals::{Crew, Interval, Part, intervals, side_by_side};
use crate::run::Step;

const LOOKING: &str = "look for hits";

impl Timeline {
    /// A timeline of the same recording, on the same thread, at its start.
    fn scout(&self) -> Result<Self, ExecutionError> {
        Self::open(self.recording.clone(), self.control.clone())
    }

    pub(super) fn list(
        &self,
        sites: &[Site],
        skipped: u64,
        sink: &mut dyn FnMut(&Hit, &dyn State) -> ControlFlow<()>,
    ) -> Result<(), ExecutionError> {
        let mut scout = self.scout()?;
        let _as_in_the_program = self.thread.traps();
        // These are counted without a stop.
        scout.machine.countdown = (skipped > 0).then(|| skipped.saturating_add(1));
        loop {
            let next = scout.next_hit(sites);
            let next = next.map_err(|failure| failure.while_doing(LOOKING))?;
            scout.machine.countdown = None;
            let Some(hit) = next else { return Ok(()) };
            if sink(&hit, &scout).is_break() {
                return Ok(());
            }
        }
    }

    pub(super) fn list_with(
        &self,
        sites: &[Site],
        look: &Look<'_>,
        sink: &mut dyn FnMut(Hit, Seen) -> ControlFlow<()>,
    ) -> Result<(), ExecutionError> {
        let intervals = self.intervals_before(Position::at_event(self.recording.event_count()));
        if intervals.len() == 1 {
            return self.list(sites, 0, &mut |hit, now| sink(*hit, look(hit, now)));
        }
        let crew = Crew::of(&self.recording, &self.control, self.at_once);
        let listing = Listing { recording: &self.recording, sites, look };
        let listed = side_by_side(&listing, crew, &intervals, |results| {
            while let Some((_, part)) = results.next()? {
                let Part::Found(found) = part else { continue };
                for (hit, seen) in found {
                    if sink(hit, seen).is_break() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        listed.map_err(|failure| failure.while_doing(LOOKING))
    }

    pub(super) fn count(
        &self,
        sites: &[Site],
        until: Option<Position>,
    ) -> Result<u64, ExecutionError> {
        let end = Position::at_event(self.recording.event_count());
        let intervals = self.intervals_before(until.unwrap_or(end));
        let crew = Crew::of(&self.recording, &self.control, self.at_once);
        let counting = Counting { recording: &self.recording, sites };
        let counted = side_by_side(&counting, crew, &intervals, |results| {
            let mut sum = 0;
            while let Some((_, part)) = results.next()? {
                if let Part::Found(found) = part {
                    sum += found.iter().map(|counted| counted.number).sum::<u64>();
                }
            }
            Ok(sum)
        });
        counted.map_err(|failure| failure.while_doing("count hits"))
    }

    /// The intervals from the first moment on: one where they are not gone through beside each other.
    pub(super) fn intervals_before(&self, until: Position) -> Vec<Interval> {
        let until = until.max_with(self.start);
        let mut list = match self.at_once {
            1 => vec![Interval { from: None, first: EventIndex::ZERO, until, check: None }],
            _ => intervals(&self.recording, until),
        };
        if let Some(first) = list.first_mut() {
            first.first = self.start.event();
        }
        list
    }

    /// Runs on to the next hit, whatever else happens; `None` at the end of the recording.
    fn next_hit(&mut self, sites: &[Site]) -> Result<Option<Hit>, Failure> {
        self.machine.want_sites(sites)?;
        loop {
            self.machine.batch = Some(self.recording.event_count());
            let step = self.machine.step(&mut no_sink);
            self.machine.batch = None;
            match step? {
                Step::Hit { task, place } => {
                    let Some(site) = self.site_hit(task, place)? else { continue };
                    self.stand(task, Position::at_place(self.machine.done(), place));
                    return self.hit(site, task).map(Some);
                }
                Step::Event | Step::Watched { .. } | Step::Paused => {}
                Step::End => return Ok(None),
            }
        }
    }

    pub(super) fn hit(
        &mut self,
        site: retake_execution::SiteId,
        task: TaskId,
    ) -> Result<Hit, Failure> {
        let space = self.machine.task(task)?.space;
        let pc = self.position.place().pc().unwrap_or(retake_model::Addr::NULL);
        Ok(Hit { site, position: self.position, task, space, pc })
    }
}
