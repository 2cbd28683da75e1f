//! Restoring images and checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use retake_model::{
    Backing, CheckpointIndex, EventIndex, Mapping, PAGE_LEN, PAGE_SIZE, PageAddr, PageId, SharedId,
    SpaceId, TaskId,
};
use retake_ptrace::ProcessMemory;
use retake_recording::{Checkpoint, LocalSegment, TaskState, page_id};

use crate::ahead::Ahead;
use crate::failure::Failure;
use crate::live::Identity;
use crate::machine::Machine;

/// What a thread that panicked left is plain data.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn identity(state: &TaskState) -> Identity {
    Identity { id: state.task, tid: state.tid, pid: state.pid, space: state.space }
}

impl Machine {
    /// Makes `mapping` in the task's memory. Its table is the caller's.
    pub(crate) fn map_into(&mut self, task: TaskId, mapping: &Mapping) -> Result<(), Failure> {
        let space = self.task(task)?.space;
        self.caches.make_room(space, mapping.range);
        self.forget_protections(space, mapping.range);
        match mapping.backing {
            Backing::Anonymous | Backing::Copied => {
                self.task(task)?.map_anonymous(mapping.range, mapping.prot)
            }
            Backing::File { file, offset } => {
                let file = self.file(file)?;
                self.task(task)?.map_file(mapping.range, mapping.prot, &file, offset, false)
            }
            Backing::Shared { shared, offset } | Backing::Private { shared, offset } => {
                let writes_through = matches!(mapping.backing, Backing::Shared { .. });
                let file = match self.shared.get(&shared) {
                    Some(file) => file.try_clone()?,
                    None => {
                        return Err(Failure::Refused(format!(
                            "the recording maps shared object {shared} before it exists"
                        )));
                    }
                };
                self.task(task)?.map_file(
                    mapping.range,
                    mapping.prot,
                    &file,
                    offset,
                    writes_through,
                )
            }
        }
    }

    /// Writes pages to the task's memory.
    pub(crate) fn write_pages(
        &mut self,
        task: TaskId,
        pages: &[(PageAddr, PageId)],
    ) -> Result<(), Failure> {
        let recording = self.recording.clone();
        let memory = &mut self.task(task)?.memory;
        let ids: Vec<PageId> = pages.iter().map(|(_, id)| *id).collect();
        // What the process itself may not write is left to this thread: kernels can be told to force
        // writes for a task's tracer only (`proc_mem.force_override=ptrace`, 6.12).
        let refused = Mutex::new(Vec::new());
        let shared: &ProcessMemory = memory;
        recording.read_pages(&ids, &|found| {
            let place = |(n, page): &(usize, _)| Some((pages.get(*n)?.0, *page));
            let list: Vec<(PageAddr, &[u8])> = found.iter().filter_map(place).collect();
            shared.write_pages_as_allowed(&list, |page, bytes| {
                lock(&refused).push((page, bytes.to_vec()));
            });
        })?;
        for (page, bytes) in refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
            memory.write(page.addr(), &bytes)?;
        }
        Ok(())
    }

    pub(crate) fn make_shared(
        &mut self,
        id: SharedId,
        len: u64,
        pages: &[(u64, PageId)],
    ) -> Result<(), Failure> {
        let file = retake_ptrace::create_memfd()?;
        file.set_len(len)?;
        // A page that became zero, or that is cut off by now, is listed as zero: it is a hole here.
        let zero = page_id(&[0; PAGE_LEN]);
        let pages: Vec<(u64, PageId)> =
            pages.iter().copied().filter(|(_, id)| *id != zero).collect();
        let ids: Vec<PageId> = pages.iter().map(|(_, id)| *id).collect();
        let result = Mutex::new(Ok(()));
        self.recording.read_pages(&ids, &|found| {
            for (n, bytes) in found {
                if let Some((number, _)) = pages.get(*n)
                    && let Err(error) = file.write_all_at(bytes, number * PAGE_SIZE)
                {
                    *lock(&result) = Err(error);
                }
            }
        })?;
        result.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        self.shared.insert(id, file);
        Ok(())
    }

    /// Puts the state of a checkpoint in place of whatever there is. Tasks that it has too are kept, with
    /// the memory that is the same.
    pub(crate) fn restore(&mut self, index: CheckpointIndex) -> Result<(), Failure> {
        let checkpoint = self.recording.checkpoint(index)?;
        let restored = self.restore_from(&checkpoint).map_err(|failure| self.explain(failure));
        if restored.is_err() {
            // Neither what was nor what was to be.
            self.clear();
        }
        restored
    }

    pub(crate) fn restore_from(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        self.keep_tasks_of(checkpoint);
        self.unguard_all()?;
        self.forget_progress(checkpoint.event);
        for shared in &checkpoint.shared {
            self.make_shared(shared.shared, shared.len, &shared.pages)?;
        }
        for space in &checkpoint.spaces {
            if let Some(task) = self.task_in(space.space).map(|task| task.id) {
                self.change_space(task, space.space, &space.mappings, &space.pages)?;
                self.change_segments(task, space.space, checkpoint)?;
            }
        }
        for state in &checkpoint.tasks {
            if !self.tasks.contains_key(&state.task) {
                self.make_task(checkpoint, state)?;
            }
            let task = self.task(state.task)?;
            task.name.clone_from(&state.name);
            task.in_syscall = state.in_syscall;
            task.stopped.set_vector(&state.vector)?;
            task.set_registers(&state.registers)?;
        }
        self.refresh_all_sites()
    }

    /// Ends all other tasks.
    fn keep_tasks_of(&mut self, checkpoint: &Checkpoint) {
        let wanted: BTreeMap<TaskId, Identity> =
            checkpoint.tasks.iter().map(|state| (state.task, identity(state))).collect();
        let spaces = &self.spaces;
        self.tasks.retain(|id, task| {
            wanted.get(id) == Some(&task.identity()) && spaces.contains_key(&task.space)
        });
        let kept: BTreeSet<SpaceId> = self.tasks.values().map(|task| task.space).collect();
        self.spaces.retain(|space, _| kept.contains(space));
        self.caches.keep(|space| kept.contains(&space));
    }

    /// A task that is not there, and its memory if nobody has that.
    fn make_task(&mut self, checkpoint: &Checkpoint, state: &TaskState) -> Result<(), Failure> {
        if let Some(sharer) = self.task_in(state.space) {
            let task = sharer.spawn(identity(state))?;
            self.tasks.insert(state.task, task);
            return Ok(());
        }
        let task = self.start_task(identity(state))?;
        self.tasks.insert(state.task, task);
        let space = checkpoint.spaces.iter().find(|space| space.space == state.space);
        let Some(space) = space else {
            return Err(Failure::Refused(format!(
                "checkpoint {} lacks address space {}",
                checkpoint.index, state.space
            )));
        };
        self.change_space(state.task, state.space, &space.mappings, &space.pages)?;
        self.change_segments(state.task, state.space, checkpoint)
    }

    /// Gives an address space the segments that it has at a checkpoint.
    fn change_segments(
        &mut self,
        task: TaskId,
        space: SpaceId,
        checkpoint: &Checkpoint,
    ) -> Result<(), Failure> {
        let wanted: BTreeMap<u32, LocalSegment> = checkpoint
            .segments
            .iter()
            .filter(|(of, _)| *of == space)
            .map(|(_, segment)| (segment.entry(), *segment))
            .collect();
        let there = std::mem::take(&mut self.space(space).segments);
        let gone = there.keys().filter(|entry| !wanted.contains_key(entry));
        let gone: Vec<LocalSegment> = gone.map(|entry| LocalSegment::empty(*entry)).collect();
        let changed =
            wanted.values().filter(|segment| there.get(&segment.entry()) != Some(segment));
        for segment in gone.iter().chain(changed) {
            self.task(task)?.set_segment(segment)?;
        }
        self.space(space).segments = wanted;
        Ok(())
    }

    /// Ends all tasks: the machine is at the start again.
    pub(crate) fn clear(&mut self) {
        self.tasks.clear();
        self.spaces.clear();
        self.caches.keep(|_| false);
        self.guards = crate::translated::Guards::default();
        self.forget_progress(EventIndex::ZERO);
    }

    /// `done` is the last event that has taken effect, and nothing is known but tasks and their memory.
    fn forget_progress(&mut self, done: EventIndex) {
        self.shared.clear();
        self.sites.forget_installed();
        self.arrivals.clear();
        self.count = crate::translated::Count::default();
        self.patience = crate::translated::Patience::default();
        self.standing_at = None;
        self.root_status = None;
        self.done = done;
        self.ahead = Ahead::new(self.recording.events(done));
    }
}
