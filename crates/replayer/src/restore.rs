//! Restoring images and checkpoints into fresh processes.

use std::os::unix::fs::FileExt;

use retake_model::{Backing, CheckpointIndex, Mapping, PAGE_SIZE, PageAddr, PageId, SpaceId, TaskId};
use retake_recording::{Checkpoint, TaskState};
use retake_tracee::MappingTable;

use crate::failure::Failure;
use crate::live::{Identity, LiveTask};
use crate::machine::Machine;

/// Pages written to a process in one go.
const RUN_PAGES: usize = 256;

impl Machine {
    /// Makes `mapping` in the task's memory. Its table is the caller's.
    pub(crate) fn map_into(&mut self, task: TaskId, mapping: &Mapping) -> Result<(), Failure> {
        match mapping.backing {
            Backing::Anonymous => self.task(task)?.map_anonymous(mapping.range, mapping.prot),
            Backing::File { file, offset } => {
                let file = self.file(file)?;
                self.task(task)?.map_file(mapping.range, mapping.prot, &file, offset, false)
            }
            Backing::Shared { shared, offset } => {
                let file = match self.shared.get(&shared) {
                    Some(file) => file.try_clone()?,
                    None => {
                        return Err(Failure::Refused(format!(
                            "the recording maps shared object {shared} before it exists"
                        )));
                    }
                };
                self.task(task)?.map_file(mapping.range, mapping.prot, &file, offset, true)
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
        let page_len = usize::try_from(PAGE_SIZE).unwrap_or(4096);
        for part in pages.chunks(8192) {
            let ids: Vec<PageId> = part.iter().map(|(_, id)| *id).collect();
            let mut bytes = vec![0_u8; part.len() * page_len];
            recording.read_pages(&ids, &mut |n, page| {
                if let Some(out) = bytes.get_mut(n * page_len..(n + 1) * page_len) {
                    out.copy_from_slice(page);
                }
            })?;
            let mut from = 0;
            while let Some((first, _)) = part.get(from) {
                let mut run = 1;
                while run < RUN_PAGES
                    && part.get(from + run).map(|(page, _)| page.addr())
                        == first.addr().checked_add(run as u64 * PAGE_SIZE)
                {
                    run += 1;
                }
                let data = bytes.get(from * page_len..(from + run) * page_len).unwrap_or_default();
                memory.write(first.addr(), data)?;
                from += run;
            }
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
        }
        self.write_pages(task, pages)?;
        self.space(space).table = MappingTable::new(mappings.iter().cloned());
        Ok(())
    }

    pub(crate) fn make_shared(&mut self, id: retake_model::SharedId, len: u64, pages: &[(u64, PageId)]) -> Result<(), Failure> {
        let file = retake_ptrace::create_memfd()?;
        file.set_len(len)?;
        let ids: Vec<PageId> = pages.iter().map(|(_, id)| *id).collect();
        let mut result = Ok(());
        self.recording.clone().read_pages(&ids, &mut |n, bytes| {
            if let Some((number, _)) = pages.get(n)
                && let Err(error) = file.write_all_at(bytes, number * PAGE_SIZE)
            {
                result = Err(error);
            }
        })?;
        result?;
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
            None => LiveTask::start(identity)?,
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

