//! Hits over the whole recording, without moving.

use std::ops::ControlFlow;

use retake_execution::{Hit, Site, State};
use retake_model::{Position, TaskId};

use super::Timeline;
use super::backward::Scan;
use super::travel::no_sink;
use crate::failure::Failure;
use crate::processor::same_traps;
use crate::run::Step;

impl Timeline {
    /// A timeline of the same recording, at its start.
    fn scout(&self) -> Result<Self, retake_execution::ExecutionError> {
        Self::open(self.recording.clone(), self.control.clone())
    }

    pub(super) fn list(
        &self,
        sites: &[Site],
        sink: &mut dyn FnMut(&Hit, &dyn State) -> ControlFlow<()>,
    ) -> Result<(), retake_execution::ExecutionError> {
        let mut scout = self.scout()?;
        let _as_in_the_program = same_traps(&self.recording);
        loop {
            let next = scout.next_hit(sites);
            let next = next.map_err(|failure| failure.while_doing("look for hits"))?;
            let Some(hit) = next else { return Ok(()) };
            if sink(&hit, &scout).is_break() {
                return Ok(());
            }
        }
    }

    pub(super) fn count(
        &self,
        sites: &[Site],
        until: Option<Position>,
    ) -> Result<u64, retake_execution::ExecutionError> {
        let mut scout = self.scout()?;
        let _as_in_the_program = same_traps(&self.recording);
        scout.machine.countdown = Some(u64::MAX);
        let end = Position::at_event(self.recording.event_count());
        let (first, until) = (scout.start.event(), until.unwrap_or(end));
        let counted = scout.scan(first, until, sites, &mut |_, _| Ok(Scan::GoOn));
        counted.map_err(|failure| failure.while_doing("count hits"))?;
        Ok(scout.machine.countdown.map_or(0, |left| u64::MAX - left))
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
                Step::Event | Step::Watched { .. } => {}
                Step::End => return Ok(None),
            }
        }
    }

    fn hit(&mut self, site: retake_execution::SiteId, task: TaskId) -> Result<Hit, Failure> {
        let space = self.machine.task(task)?.space;
        let pc = self.position.place().pc().unwrap_or(retake_model::Addr::NULL);
        Ok(Hit { site, position: self.position, task, space, pc })
    }
}
