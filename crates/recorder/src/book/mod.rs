//! What is written down: events with their effects, and what the manifest says of the run.
//!
//! An event is made as a [`Draft`]: effects are added to it while its cause is looked at, and it is either
//! completed, which writes it, or dropped.

pub(crate) mod beside;
mod draft;

use std::collections::BTreeSet;
use std::time::Duration;

use retake_abi::{Errno, Syscall};
use retake_model::{EventIndex, Registers};
use retake_recording::{EventKind, Manifest, RecordingWriter};

use crate::checkpoints::schedule::Schedule;
use crate::error::RecordError;
use crate::tasks::Task;
use draft::Spare;

pub(crate) use draft::Draft;

/// The recording that is being written.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) writer: RecordingWriter,
    /// When checkpoints are made.
    pub(crate) schedule: Schedule,
    /// Room for drafts.
    spare: Spare,
    /// What the manifest warns of already.
    warned: BTreeSet<String>,
    /// Calls that it says were refused, and their commands.
    refused: BTreeSet<(&'static str, Option<&'static str>)>,
}

impl Book {
    pub(crate) fn new(writer: RecordingWriter, interval: Duration) -> Self {
        Self {
            writer,
            schedule: Schedule::new(interval),
            spare: Spare::default(),
            warned: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// An event without effects.
    pub(crate) fn draft(&self) -> Draft {
        Draft::new(&self.spare)
    }

    /// Records the event that a draft has become.
    ///
    /// # Errors
    /// When the recording cannot be written any more.
    pub(crate) fn append(
        &mut self,
        task: &mut Task,
        draft: Draft,
        kind: &EventKind,
        before: &Registers,
        after: &Registers,
    ) -> Result<(), RecordError> {
        self.writer.append(task.id, kind, before, after, &draft.effects)?;
        task.moved_on(kind);
        task.registers = *after;
        task.mid_code = false;
        task.update = None;
        self.schedule.count_event();
        Ok(())
    }

    /// How many events there are so far.
    pub(crate) fn event_count(&self) -> EventIndex {
        self.writer.event_count()
    }

    /// Says in the manifest that a call is refused, with what the program gets.
    pub(crate) fn note_refused(&mut self, call: &Syscall, errno: Errno) {
        if self.refused.insert((call.name, call.command)) {
            let name = match call.command {
                Some(command) => format!("{} {command}", call.name),
                None => call.name.to_owned(),
            };
            self.writer.update_manifest(|manifest| {
                manifest.refused.insert(name, errno.to_string());
            });
        }
    }

    /// Says something in the manifest, if it does not say so already.
    pub(crate) fn warn_once(&mut self, text: String) {
        if self.warned.insert(text.clone()) {
            self.writer.update_manifest(|manifest: &mut Manifest| manifest.warnings.push(text));
        }
    }
}
