//! What the events of a recording say, mostly without a replay.

use std::collections::BTreeSet;

use retake_execution::{Direction, EventFilter, ExecutionError, Stop, StopReason};
use retake_model::{EventIndex, Position, TaskId};
use retake_recording::{Effect, Event, EventKind};

use super::Timeline;
use super::ends::{fatal, place_before};
use super::travel::no_sink;
use crate::failure::Failure;
use crate::run::Step;
use crate::translated::CountFor;

/// Events that are looked at together, going back.
const STRETCH: u64 = 4096;
/// How often somebody looks whether the search was interrupted.
const LOOK_EVERY: u64 = 1024;

impl Timeline {
    /// Every task that an event is of, or makes.
    pub(super) fn tasks_of_events(&self) -> Result<Vec<TaskId>, ExecutionError> {
        if let Some(known) = self.all_tasks.get() {
            return Ok(known.clone());
        }
        let mut all = BTreeSet::new();
        for event in self.recording.events(EventIndex::ZERO) {
            let read = event.map_err(Failure::from);
            let (_, event) = read.map_err(|failure| failure.while_doing("list all threads"))?;
            all.insert(event.task);
            all.extend(event.effects.iter().filter_map(|effect| match effect {
                Effect::Spawn { child, .. } => Some(*child),
                _ => None,
            }));
        }
        Ok(self.all_tasks.get_or_init(|| all.into_iter().collect()).clone())
    }

    /// The next event of one of some kinds, up to the one that the last moment comes before.
    pub(super) fn find_next(
        &mut self,
        direction: Direction,
        from: EventIndex,
        kinds: &[EventFilter],
    ) -> Result<Option<EventIndex>, Failure> {
        let mut best = match direction {
            Direction::Forward => {
                let end = self.last_moment.next();
                self.first_event_of(from.max(self.start.event()), end, kinds)?
            }
            Direction::Backward => self.last_event_of(from.min(self.last_moment.next()), kinds)?,
        };
        for kind in kinds {
            let EventFilter::Output(text) = kind else { continue };
            let found = self.find_output(direction, from, text, best)?;
            best = match direction {
                Direction::Forward => best.into_iter().chain(found).min(),
                Direction::Backward => best.max(found),
            };
        }
        Ok(best)
    }

    /// The first such event from `from` on, before `end`.
    fn first_event_of(
        &self,
        from: EventIndex,
        end: EventIndex,
        kinds: &[EventFilter],
    ) -> Result<Option<EventIndex>, Failure> {
        if kinds.iter().all(|kind| matches!(kind, EventFilter::Output(_))) {
            return Ok(None);
        }
        for event in self.recording.events(from) {
            let (index, event) = event?;
            if index >= end {
                break;
            }
            if index.get().is_multiple_of(LOOK_EVERY) && self.control.is_interrupted() {
                return Err(Failure::Interrupted);
            }
            if kinds.iter().any(|kind| is(&event, kind)) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// The last such event before `end`.
    fn last_event_of(
        &self,
        end: EventIndex,
        kinds: &[EventFilter],
    ) -> Result<Option<EventIndex>, Failure> {
        let start = self.start.event();
        let mut end = end;
        while end > start {
            let first = EventIndex::new(end.get().saturating_sub(STRETCH)).max(start);
            let (mut from, mut last) = (first, None);
            while let Some(found) = self.first_event_of(from, end, kinds)? {
                last = Some(found);
                from = found.next();
            }
            if last.is_some() {
                return Ok(last);
            }
            end = first;
        }
        Ok(None)
    }

    /// Goes to right before an event takes effect.
    pub(super) fn before_event(&mut self, index: EventIndex) -> Result<Stop, Failure> {
        let event = self.recording.event(index)?;
        self.bring(Position::at_event(index))?;
        let registers = self.machine.task(event.task)?.registers;
        if let Some(pc) = place_before(&registers, &event) {
            self.machine.want_sites(&[])?;
            self.machine.count.wanted = CountFor::NextEvent;
            self.lost = true;
            while !matches!(self.machine.step(&mut no_sink)?, Step::Event | Step::End) {}
            let branches = self.machine.count.at_last_event();
            self.machine.count.wanted = CountFor::Nothing;
            let here = Position::at_event(index);
            let exact = branches.map_or(here, |branches| Position::at_exact(index, branches, pc));
            match self.bring(exact) {
                // Within a repeated string instruction there is no place to stop at.
                Err(Failure::NotFound(_)) => self.bring(here)?,
                brought => brought?,
            }
        }
        let mut stop = self.stop(match fatal(&event) {
            Some(signal) => StopReason::Fatal(signal),
            None => StopReason::Reached,
        });
        if index == self.last_moment && !stop.reasons.contains(&StopReason::End) {
            stop.reasons.push(StopReason::End);
        }
        Ok(stop)
    }
}

/// Whether an event is of a kind. What it writes is known to a replay only.
fn is(event: &Event, kind: &EventFilter) -> bool {
    match (kind, &event.kind) {
        (
            EventFilter::Syscall(wanted),
            EventKind::Syscall { no } | EventKind::SyscallEnter { no },
        ) => wanted.is_none_or(|wanted| wanted == *no),
        (EventFilter::Signal(wanted), EventKind::Signal { info, .. }) => {
            wanted.is_none_or(|wanted| info.signal() == Ok(wanted))
        }
        (EventFilter::Fatal, _) => fatal(event).is_some(),
        (EventFilter::Exit, EventKind::Exit { .. }) => true,
        (EventFilter::Fork, _) => event
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Spawn { tid, pid, .. } if tid == pid)),
        (EventFilter::Exec, _) => {
            event.effects.iter().any(|effect| matches!(effect, Effect::Exec { .. }))
        }
        _ => false,
    }
}
