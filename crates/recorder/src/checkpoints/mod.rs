//! Checkpoints while recording.

pub(crate) mod copies;
pub(crate) mod copying;
pub(crate) mod schedule;
mod spaces;
mod tracker;

use std::time::Duration;

use retake_model::{PAGE_SIZE, SpaceId, Tid};
use retake_ptrace::{Stopped, monotonic};
use retake_recording::{CheckpointDraft, TaskState};

use crate::book::Book;
use crate::error::RecordError;
use crate::next::Next;
use crate::places::Search;
use crate::places::leaving::Purpose;
use crate::session::Session;
use crate::tasks::{Run, Space, Task};
use crate::world::World;

impl World {
    fn take_all_again(&mut self) {
        for space in self.spaces.values_mut() {
            space.take_all_again();
        }
    }

    fn task_states(&self) -> Result<Option<Vec<TaskState>>, RecordError> {
        let mut states = Vec::new();
        for task in self.tasks.values().filter(|task| !task.ended) {
            let (vector, signal_mask, in_syscall) = match (&task.run, &task.open) {
                (Run::Ready(stopped), _) => match (stopped.vector(), stopped.signal_mask()) {
                    (Ok(vector), Ok(mask)) => (vector, mask, None),
                    // Killed out of its stop: its end is the next event.
                    _ => return Ok(None),
                },
                // A call that is replacing the address space, or that may be writing to it, has no
                // state that could be taken.
                (Run::Kernel, Some(open)) if !open.writes_directly && !open.replaces_memory() => {
                    let Some(vector) = &open.vector else { return Ok(None) };
                    (vector.clone(), 0, Some(open.call.no))
                }
                (Run::Kernel, None) => match &task.stopped {
                    Some((vector, mask)) => (vector.clone(), *mask, None),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            };
            states.push(TaskState {
                task: task.id,
                tid: task.tid,
                pid: task.pid,
                space: task.space,
                name: task.name.clone(),
                registers: task.registers,
                vector,
                in_syscall,
                signal_mask,
            });
        }
        states.sort_by_key(|state| state.task);
        Ok(Some(states))
    }

    /// Has memory made ready for the pages of address spaces that no checkpoint has yet.
    pub(crate) fn prepare_checkpoint(&self, book: &mut Book) {
        let new = self.spaces.iter().filter(|(_, space)| !space.tracking.tried);
        let pages: u64 = new
            .filter_map(|(id, _)| retake_ptrace::private_page_count(self.reader_of(*id)?.tid))
            .sum();
        if pages > 0 && pages < copies::FEW as u64 {
            let bytes = pages.saturating_mul(PAGE_SIZE);
            book.writer.prepare_for(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
    }
}

impl Session {
    /// Takes a checkpoint, with `next` as the task that runs after it. Nothing is taken when a task
    /// is in a state that a checkpoint cannot hold.
    pub(crate) fn checkpoint(&mut self, next: Tid) -> Result<(), RecordError> {
        match self.take_checkpoint(next) {
            Err(error) if error.is_gone() => {
                // Killed out of its stop. What was gathered by then is lost for the next one.
                self.world.take_all_again();
                Ok(())
            }
            other => other,
        }
    }

    fn take_checkpoint(&mut self, next: Tid) -> Result<(), RecordError> {
        let started = monotonic();
        let Some(tasks) = self.world.task_states()? else {
            return Ok(());
        };
        let Some(current) = self.world.tasks.get(&next).map(|task| task.id) else {
            return Ok(());
        };
        if self.book.schedule.has_lost_one() {
            self.world.take_all_again();
        }
        self.collect_copies()?;
        let ids: Vec<SpaceId> = self.world.spaces.keys().copied().collect();
        let mut spaces = Vec::new();
        let (mut once, mut shared_pages) = (Duration::ZERO, 0);
        for id in ids {
            let (begun, is_new) = (monotonic(), !self.world.space(id)?.tracking.tried);
            self.start_tracking(id)?;
            let Some((draft, later)) = self.space_draft(id)? else { continue };
            spaces.push(draft);
            if is_new {
                once += monotonic().saturating_sub(begun);
            } else {
                shared_pages += later;
            }
        }
        self.world.forget_unmapped_objects();
        let shared = self.world.shared_drafts(&mut self.book);
        let run_time_ns =
            u64::try_from(self.book.schedule.run_time().as_nanos()).unwrap_or(u64::MAX);
        let event = self.book.event_count();
        let segments_of = |(id, space): (&SpaceId, &Space)| {
            let id = *id;
            space.segments.values().map(|segment| (id, *segment)).collect::<Vec<_>>()
        };
        let segments = self.world.spaces.iter().flat_map(segments_of).collect();
        let draft =
            CheckpointDraft { event, run_time_ns, current, tasks, spaces, shared, segments };
        self.book.writer.add_checkpoint(draft);
        let cost = monotonic().saturating_sub(started) + copies::cost(shared_pages);
        self.book.schedule.made(cost, once);
        Ok(())
    }

    /// Makes an event in such a stretch: the checkpoint follows before the task goes on.
    pub(crate) fn mark_stretch(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        let started = monotonic();
        let next = self.place_event(task, stopped, Search::HASTY, Purpose::Checkpoint);
        self.book.schedule.event_took(monotonic().saturating_sub(started));
        next
    }
}
