//! Tasks that sleep in the kernel where nobody expects it: in a call that may not wait by the table, or at a page
//! that is not there yet. Who is to wake them may be a task of the recording (a file system in user space, fuse(4)), so
//! others run meanwhile.

use std::time::Duration;

use retake_abi::Class;
use retake_model::Protection;
use retake_ptrace::{TaskStat, monotonic};

use crate::book::Book;
use crate::error::RecordError;
use crate::tasks::Task;
use crate::world::World;

/// A call that takes longer counts as one that waits.
const LONG: Duration = Duration::from_millis(5);

/// Since when a task has neither stopped nor been found to run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Silence(Option<Duration>);

impl Silence {
    /// Whether it has lasted for long. It begins with the first question.
    fn is_long(&mut self) -> bool {
        let now = monotonic();
        now.saturating_sub(*self.0.get_or_insert(now)) >= LONG
    }
}

impl World {
    /// Whether others share memory with a task that it may write to.
    fn is_seen_by_others(&mut self, task: &Task) -> Result<bool, RecordError> {
        if self.shares_memory(task) {
            return Ok(true);
        }
        let mut mappings = self.space(task.space)?.table.iter();
        Ok(mappings.any(|mapping| {
            mapping.backing.shared_object().is_some() && mapping.prot.allows(Protection::WRITE)
        }))
    }

    /// Whether a task that is waited for sleeps, so that others are to run. Then it is as if it had made a call
    /// that waits.
    pub(crate) fn falls_asleep(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        silence: &mut Silence,
    ) -> Result<bool, RecordError> {
        if self.tasks.is_empty() || !silence.is_long() {
            return Ok(false);
        }
        let others_may_run = match &task.open {
            Some(open) => matches!(open.call.class, Class::Emulate) && !open.begun.is_recorded(),
            // What it has done since its last event, others do not see.
            None => task.asked_to_stop && !self.is_seen_by_others(task)?,
        };
        let is_asleep = || TaskStat::read(task.tid).is_some_and(|stat| stat.is_in(&['S', 'D']));
        if !others_may_run || !is_asleep() {
            return Ok(false);
        }
        if let Some(open) = &mut task.open {
            open.writes_directly |= !open.call.outputs.is_empty();
        }
        book.record_entry(task)?;
        Ok(true)
    }
}
