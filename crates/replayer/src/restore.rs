//! Restoring images and checkpoints into fresh processes.

use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use retake_model::{
    Backing, CheckpointIndex, Mapping, PAGE_LEN, PAGE_SIZE, PageAddr, PageId, SpaceId, TaskId,
};
use retake_ptrace::ProcessMemory;
use retake_recording::{Checkpoint, TaskState, page_id};
use retake_tracee::MappingTable;

use crate::failure::Failure;
use crate::live::Identity;
use crate::machine::Machine;

/// What a thread that panicked left is plain data.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether most of a large mapping is going to be filled.
fn is_dense(mapping: &Mapping, pages: &[(PageAddr, PageId)]) -> bool {
    const LARGE: u64 = 4 << 20;
    if !mapping.backing.starts_as_zeroes() || mapping.range.len() < LARGE {
        return false;
    }
    let before = |addr| pages.partition_point(|(page, _)| page.addr() < addr);
    let filled = (before(mapping.range.end()) - before(mapping.range.start())) as u64 * PAGE_SIZE;
    filled >= mapping.range.len() / 4 * 3
}

impl Machine {
    /// Makes `mapping` in the task's memory. Its table is the caller's.
    pub(crate) fn map_into(&mut self, task: TaskId, mapping: &Mapping) -> Result<(), Failure> {
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

    /// Fills the empty address space of `task`.
    pub(crate) fn fill_space(
        &mut self,
        task: TaskId,
        space: SpaceId,
        mappings: &[Mapping],
        pages: &[(PageAddr, PageId)],
    ) -> Result<(), Failure> {
        for mapping in mappings {
            self.map_into(task, mapping)?;
            if is_dense(mapping, pages) {
                self.task(task)?.prefer_huge_pages(mapping.range);
            }
        }
        self.write_pages(task, pages)?;
        self.space(space).table = MappingTable::new(mappings.iter().cloned());
        Ok(())
    }

    pub(crate) fn make_shared(
        &mut self,
        id: retake_model::SharedId,
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

    /// Puts the state of a checkpoint in place of whatever there is.
    pub(crate) fn restore(&mut self, index: CheckpointIndex) -> Result<(), Failure> {
        let checkpoint = self.recording.checkpoint(index)?;
        self.clear();
        for shared in &checkpoint.shared {
            self.make_shared(shared.shared, shared.len, &shared.pages)?;
        }
        for state in &checkpoint.tasks {
            self.restore_task(&checkpoint, state)?;
        }
        self.done = checkpoint.event;
        self.cursor = self.recording.events(checkpoint.event);
        self.refresh_all_sites()
    }

    fn restore_task(&mut self, checkpoint: &Checkpoint, state: &TaskState) -> Result<(), Failure> {
        let identity =
            Identity { id: state.task, tid: state.tid, pid: state.pid, space: state.space };
        let sharer = self.task_in(state.space).map(|task| task.spawn(identity)).transpose()?;
        let fresh = sharer.is_none();
        let task = match sharer {
            Some(task) => task,
            None => self.start_task(identity)?,
        };
        self.tasks.insert(state.task, task);
        if fresh {
            let space = checkpoint.spaces.iter().find(|space| space.space == state.space);
            let Some(space) = space else {
                return Err(Failure::Refused(format!(
                    "checkpoint {} lacks address space {}",
                    checkpoint.index, state.space
                )));
            };
            self.fill_space(state.task, state.space, &space.mappings, &space.pages)?;
        }
        let task = self.task(state.task)?;
        task.name.clone_from(&state.name);
        task.in_syscall = state.in_syscall;
        task.stopped.set_vector(&state.vector)?;
        task.set_registers(&state.registers)
    }

    /// Ends all tasks: the machine is at the start again.
    pub(crate) fn clear(&mut self) {
        self.tasks.clear();
        self.spaces.clear();
        self.shared.clear();
        self.sites.forget_installed();
        self.ahead = None;
        self.arrivals.clear();
        self.standing_at = None;
        self.root_status = None;
        self.done = retake_model::EventIndex::ZERO;
        self.cursor = self.recording.events(self.done);
    }
}
