//! What the events of a recording say, without a replay.

use std::collections::BTreeSet;

use retake_execution::ExecutionError;
use retake_model::{EventIndex, TaskId};
use retake_recording::Effect;

use super::Timeline;
use crate::failure::Failure;

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
}
