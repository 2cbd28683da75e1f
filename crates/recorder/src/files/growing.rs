//! Mappings of large files that grow.

use std::ops::Range;

use retake_model::{AddrRange, Backing, FileId, Mapping};
use retake_recording::{Effect, RecordingWriter};

use crate::book::{Book, Draft};
use crate::error::RecordError;
use crate::files::{Files, Mapped};
use crate::tasks::Task;
use crate::world::World;

impl Files {
    /// The number under which all of `wanted` is kept, where it is not under `id`.
    pub(super) fn keep_more(
        &mut self,
        writer: &mut RecordingWriter,
        id: FileId,
        wanted: Range<u64>,
    ) -> Result<Option<FileId>, RecordError> {
        let Some(part) = self.parts.by_id.get(&id) else { return Ok(None) };
        let len = part.file.metadata().map_or(wanted.end, |meta| meta.len());
        if part.kept.start <= wanted.start && wanted.end.min(len) <= part.kept.end {
            return Ok(None);
        }
        let (path, file) = (part.path.clone(), part.file.try_clone());
        let file = file.map_err(|error| RecordError::System {
            attempt: "keep more of a mapped file",
            error,
        })?;
        Ok(match self.keep(writer, &path, &file, Some(wanted))? {
            Mapped::Kept(more) if more != id => Some(more),
            _ => None,
        })
    }
}

impl World {
    /// `range` was added to mappings by mremap(2), and nothing ran since.
    pub(crate) fn keep_grown(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        range: AddrRange,
    ) -> Result<(), RecordError> {
        for mapping in self.space(task.space)?.table.parts(range) {
            let Backing::File { file, offset } = mapping.backing else { continue };
            let start = offset.get();
            let wanted = start..start.saturating_add(mapping.range.len());
            if let Some(file) = self.files.keep_more(&mut book.writer, file, wanted)? {
                let backing = Backing::File { file, offset };
                self.change(draft, task, Effect::Map { mapping: Mapping { backing, ..mapping } })?;
            }
        }
        Ok(())
    }
}
