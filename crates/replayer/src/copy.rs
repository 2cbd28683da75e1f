//! Copies of all replayed processes: checkpoints that live in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use retake_model::{AddrRange, Backing, PAGE_LEN, PageAddr, TaskId};
use retake_ptrace::PageMap;

use crate::failure::Failure;
use crate::machine::Machine;
use crate::translated::{Caches, Count};

/// Bytes copied from one shared object to another at once.
const BLOCK: usize = 64 << 10;

impl Machine {
    /// Whether no task has run since the last event, as far as arrivals tell.
    pub(crate) fn is_at_event(&self) -> bool {
        self.arrivals.is_empty() && self.standing_at.is_none()
    }

    /// A copy of everything, at the last event. Memory is shared with this one until it is written.
    pub(crate) fn copy(&mut self) -> Result<Self, Failure> {
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
            count: Count::default(),
            countdown: None,
            watched: crate::watched::Watched::default(),
            learned: None,
            cursor: self.recording.events(self.done),
            ahead: std::collections::VecDeque::new(),
            batch: self.batch,
            row: self.row,
            fast_code: self.fast_code.clone(),
            done: self.done,
            arrivals: BTreeMap::new(),
            standing_at: None,
            root_status: self.root_status,
            watch: Arc::clone(&self.watch),
            control: self.control.clone(),
            processor_fits: self.processor_fits,
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
        for (id, file) in &self.shared {
            copy.shared.insert(*id, copy_file(file)?);
        }
        if !copy.shared.is_empty() {
            copy.map_shared_again()?;
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
