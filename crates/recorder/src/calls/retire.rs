//! The end of a call: one event, whatever way it came to its end.

use retake_model::{Registers, SyscallNo};
use retake_recording::EventKind;

use crate::book::{Book, Draft};
use crate::calls::begun::Begun;
use crate::error::RecordError;
use crate::tasks::Task;

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) no: SyscallNo,
    pub(crate) begun: Begun,
    /// Registers at its entry.
    pub(crate) before: &'a Registers,
    /// Those that the program goes on with.
    pub(crate) after: &'a Registers,
}

impl Book {
    /// The entry of a call that waits becomes an event of its own.
    pub(crate) fn record_entry(&mut self, task: &mut Task) -> Result<(), RecordError> {
        let Some(open) = task.open.as_mut() else {
            return Ok(());
        };
        // A task that was killed in the call may wait to be collected.
        if open.begun.is_recorded() || task.ended {
            return Ok(());
        }
        open.begun = Begun::Recorded;
        let (entry, no) = (open.entry, open.call.no);
        let draft = self.draft();
        self.append(task, draft, &EventKind::SyscallEnter { no }, &entry, &entry)
    }

    /// Records the end of a call, with what it did.
    pub(crate) fn retire(
        &mut self,
        task: &mut Task,
        draft: Draft,
        call: Ended<'_>,
    ) -> Result<(), RecordError> {
        let Ended { no, begun, before, after } = call;
        let kind = match begun {
            Begun::Unseen => EventKind::Syscall { no },
            Begun::Recorded => EventKind::SyscallExit { no },
        };
        self.append(task, draft, &kind, before, after)
    }
}
