//! Copies of all replayed processes: checkpoints that live in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use retake_model::{AddrRange, Backing, PAGE_LEN, PageAddr, Position, Registers, TaskId};
use retake_ptrace::PageMap;

use crate::failure::Failure;
use crate::fresh::FreshTasks;
use crate::machine::Machine;
use crate::translated::{Caches, Count};

/// Bytes copied from one shared object to another at once.
const BLOCK: usize = 64 << 10;

impl Machine {
    /// Whether no task has run since the last event, as far as arrivals tell.
    pub(crate) fn is_at_event(&self) -> bool {
        self.arrivals.is_empty() && self.standing_at.is_none()
    }

    /// The moment that this machine is at, if it has a name: an event, or an exact place.
    pub(crate) fn here(&mut self) -> Result<Option<Position>, Failure> {
        if self.is_at_event() {
            return Ok(Some(Position::at_event(self.done)));
        }
        let running = self.peek()?.map(|(_, event)| event.task);
        let (Some(pc), Some(task)) = (self.standing_at, running) else { return Ok(None) };
        let branches = self.branches(task)?;
        Ok(branches.map(|branches| Position::at_exact(self.done, branches, pc)))
    }

    /// The running task, if it has left where the last event found it, and its registers.
    pub(crate) fn runner(&mut self) -> Result<Option<(TaskId, Registers)>, Failure> {
        let running = self.peek()?.map(|(_, event)| event.task);
        let Some(id) = running.filter(|_| !self.is_at_event()) else { return Ok(None) };
        Ok(Some((id, self.task(id)?.stopped.registers()?)))
    }

    /// A copy of everything, here. Memory is shared with this one until it is written.
    pub(crate) fn copy(&mut self) -> Result<Self, Failure> {
        self.open_watched_pages()?;
        let runner = self.runner()?;
        let count = match runner {
            Some((id, _)) => Count::of_copy(self.branches(id)?),
            None => Count::default(),
        };
        let mut copy = Self {
            recording: self.recording.clone(),
            tasks: BTreeMap::new(),
            spaces: self.spaces.clone(),
            shared: BTreeMap::new(),
            files: BTreeMap::new(),
            sites: self.sites.clone(),
            caches: Caches::with_limits(self.caches.limits),
            guards: self.guards.clone(),
            pace: self.pace,
            count,
            countdown: None,
            watched: crate::watched::Watched::default(),
            learned: None,
            ahead: crate::ahead::Ahead::new(self.recording.events(self.done)),
            batch: self.batch,
            row: self.row,
            patience: self.patience.clone(),
            fast_code: self.fast_code.clone(),
            done: self.done,
            arrivals: BTreeMap::new(),
            standing_at: self.standing_at,
            pause_at: None,
            root_status: self.root_status,
            watch: Arc::clone(&self.watch),
            control: self.control.clone(),
            processor_fits: self.processor_fits,
            fresh: FreshTasks::default(),
        };
        for (id, task) in &mut self.tasks {
            let vector = task.stopped.vector()?;
            let mut twin = match copy.tasks.values_mut().find(|other| other.space == task.space) {
                Some(sharer) => sharer.spawn(task.identity())?,
                None => task.copy()?,
            };
            twin.name.clone_from(&task.name);
            twin.in_syscall = task.in_syscall;
            twin.stopped.set_vector(&vector)?;
            twin.set_registers(&task.registers)?;
            copy.tasks.insert(*id, twin);
        }
        if let Some((id, registers)) = runner {
            self.task(id)?.go_on_with(&registers)?;
        }
        for (id, file) in &self.shared {
            copy.shared.insert(*id, copy_file(file)?);
        }
        if !copy.shared.is_empty() {
            copy.map_shared_again()?;
        }
        if let Some((id, registers)) = runner {
            // All that is done to it is done.
            copy.task(id)?.go_on_with(&registers)?;
        }
        Ok(copy)
    }

    /// Puts this machine's own shared objects where its processes still map those of the original.
    fn map_shared_again(&mut self) -> Result<(), Failure> {
        let spaces: Vec<_> = self.spaces.keys().copied().collect();
        for space in spaces {
            let Some(task) = self.task_in(space).map(|task| task.id) else { continue };
            let mappings = self.space(space).table.to_vec();
            for mapping in mappings {
                if mapping.backing.shared_object().is_none() {
                    continue;
                }
                self.sites.forget_range(space, mapping.range);
                // What was written through a private mapping is the process's own.
                let own = match mapping.backing {
                    Backing::Private { .. } => self.own_pages(task, mapping.range)?,
                    _ => Vec::new(),
                };
                self.map_into(task, &mapping)?;
                for (page, bytes) in own {
                    self.task(task)?.memory.write(page.addr(), &bytes)?;
                }
            }
            self.refresh_sites(space)?;
        }
        Ok(())
    }
}

impl Machine {
    /// The private pages of a range, with their contents.
    fn own_pages(
        &mut self,
        task: TaskId,
        range: AddrRange,
    ) -> Result<Vec<(PageAddr, Vec<u8>)>, Failure> {
        let memory = &self.task(task)?.memory;
        let mut pages = Vec::new();
        PageMap::open(memory.tid())?.private_pages(range, &mut pages)?;
        let read = |page: PageAddr| {
            let mut bytes = vec![0; PAGE_LEN];
            memory.read_exact(page.addr(), &mut bytes).map(|()| (page, bytes))
        };
        Ok(pages.into_iter().map(read).collect::<Result<_, _>>()?)
    }
}

fn copy_file(from: &File) -> Result<File, Failure> {
    let len = from.metadata()?.len();
    let to = retake_ptrace::create_memfd()?;
    to.set_len(len)?;
    let mut block = vec![0_u8; BLOCK];
    for (start, end) in retake_ptrace::data_ranges(from, 0, len) {
        let mut at = start;
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
            let got = from.read_at(block.get_mut(..most).unwrap_or_default(), at)?;
            let part = block.get(..got).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            to.write_all_at(part, at)?;
            at += part.len() as u64;
        }
    }
    Ok(to)
}
