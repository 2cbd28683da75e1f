//! What address spaces and shared objects give to a checkpoint.

use retake_model::{Backing, PageAddr, SharedId, SpaceId};
use retake_ptrace::{PageMap, ProcessMemory};
use retake_recording::{PageBatch, PageSource, SharedDraft, SpaceDraft};
use retake_tracee::InjectPage;

use super::copies;
use crate::book::Book;
use crate::error::RecordError;
use crate::files::SharedObject;
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

impl World {
    pub(super) fn reader_of(&self, space: SpaceId) -> Option<&Task> {
        self.tasks.values().find(|task| task.space == space && !task.ended)
    }

    pub(super) fn forget_unmapped_objects(&mut self) {
        let mapped = self.spaces.values().flat_map(|space| space.table.iter());
        let mapped = mapped.filter_map(|m| m.backing.shared_object()).map(|(id, _)| id).collect();
        self.files.retain(&mapped);
    }

    pub(super) fn shared_drafts(&self, book: &mut Book) -> Vec<SharedDraft> {
        let draft = |object: &SharedObject| {
            let pages = self.pages_of_object(book, object);
            SharedDraft { shared: object.id, len: object.len, complete: true, pages }
        };
        self.files.shared().map(draft).collect()
    }

    /// What a shared object holds now.
    pub(crate) fn pages_of_object(&self, book: &mut Book, object: &SharedObject) -> PageBatch {
        match &object.file {
            Some(file) => crate::files::nonzero_pages(book.writer.pool(), file, 0, object.len),
            None => self.mapped_pages(book, object.id),
        }
    }

    /// The contents of a shared object that cannot be opened (anonymous memory needs privilege), from
    /// the memory of those who map it. What nobody maps, nobody can see.
    fn mapped_pages(&self, book: &mut Book, id: SharedId) -> PageBatch {
        let mut parts = Vec::new();
        for (space, known) in &self.spaces {
            let Some(tid) = self.reader_of(*space).map(|task| task.tid) else { continue };
            for mapping in known.table.iter() {
                if let Backing::Shared { shared, offset } = mapping.backing
                    && shared == id
                {
                    parts.push((offset.get(), mapping.range, tid));
                }
            }
        }
        parts.sort_by_key(|(offset, ..)| *offset);
        let mut batch = book.writer.pool().batch();
        let mut at = 0_u64;
        for (offset, range, tid) in parts {
            let skip = at.saturating_sub(offset).min(range.len());
            let memory = ProcessMemory::new(tid);
            if let Some(start) = range.start().checked_add(skip) {
                let rest = range.len() - skip;
                crate::files::nonzero_pages_in(&memory, start, rest, offset + skip, &mut batch);
            }
            at = at.max(offset + range.len());
        }
        batch
    }
}

impl Session {
    /// What a space gives, and how many of its pages are read later.
    pub(super) fn space_draft(
        &mut self,
        id: SpaceId,
    ) -> Result<Option<(SpaceDraft, usize)>, RecordError> {
        let Some(tid) = self.world.reader_of(id).map(|task| task.tid) else {
            return Ok(None);
        };
        let map = PageMap::open(tid)?;
        let space = self.world.space(id)?;
        let mappings = space.table.to_vec();
        let cleared = std::mem::take(&mut space.cleared);
        let mut pages = Vec::new();
        // In a forked process they are what they are here.
        let mut anonymous = Vec::new();
        for mapping in &mappings {
            match mapping.backing {
                Backing::Shared { .. } => {}
                Backing::Copied => {
                    space.tracking.changed(&map, mapping, &mut Vec::new())?;
                    pages.extend(mapping.range.pages());
                }
                Backing::Anonymous => space.tracking.changed(&map, mapping, &mut anonymous)?,
                _ => space.tracking.changed(&map, mapping, &mut pages)?,
            }
        }
        pages.extend(anonymous.extract_if(.., |page| !space.inheritance.is_plain(*page)));
        let (count, mut later) = (anonymous.len(), None);
        if copies::is_worth_it(tid, count) {
            later = self.read_later(id, &mut anonymous)?;
        }
        // What no copy has taken.
        pages.append(&mut anonymous);
        pages.sort_unstable();
        let mut batch = self.book.writer.pool().batch();
        let memory = ProcessMemory::new(tid);
        crate::memory::image::copy_pages(&memory, &pages, &mut batch);
        // Pages that cannot be read are left out, which is right only while the memory exists.
        memory.read_exact(InjectPage::ADDR, &mut [0; InjectPage::CODE.len()])?;
        let later_pages = if later.is_some() { count } else { 0 };
        let draft = SpaceDraft { space: id, mappings, cleared, pages: batch, later };
        Ok(Some((draft, later_pages)))
    }

    /// Has a copy made of a space, which takes `pages`. `None`: no task can make one now, or the system refuses.
    fn read_later(
        &mut self,
        id: SpaceId,
        pages: &mut Vec<PageAddr>,
    ) -> Result<Option<Box<dyn PageSource>>, RecordError> {
        let can_make = |task: &&Task| task.space == id && !self.copies.refuses(task.pid);
        let Some(maker) = self.world.tasks.values().find(can_make).map(|task| task.pid) else {
            return Ok(None);
        };
        let made = self.with_ready_task(
            |task| task.space == id && task.pid == maker,
            |session, task, stopped| session.copy_space(task, stopped, pages),
        )?;
        Ok(made.flatten())
    }
}
