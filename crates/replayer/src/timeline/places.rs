//! Places on disk: what brings a debugger back to where it was, without the way there.

use std::os::unix::fs::FileExt;
use std::path::Path;

use retake_model::{
    Backing, CheckpointIndex, PAGE_LEN, PAGE_SIZE, PageAddr, Place, Position, SpaceId,
};
use retake_ptrace::PageMap;
use retake_recording::{Checkpoint, KeptPlace, SharedState, SpaceState, TaskState};

use super::Timeline;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::thread::ReplayThread;
use crate::translated::Count;

/// Branches that are executed in much less than a tenth of a second, also from the cache.
const NEAR: u64 = 10_000_000;
/// A program with more pages of its own than this is not kept: that would take longer than most ways there.
const MOST_PAGES: usize = 64 << 8;

impl Timeline {
    /// Whether the way here from a kept moment is short.
    fn is_near(&self, kept: Position) -> bool {
        let branches = |position: Position| match position.place() {
            Place::Event => Some(0),
            Place::Exact(exact) => Some(exact.branches),
            Place::Arrival(_) => None,
        };
        let (here, there) = (branches(self.position), branches(kept));
        let after = here.zip(there).and_then(|(here, there)| here.checked_sub(there));
        kept.event() == self.position.event() && after.is_some_and(|after| after < NEAR)
    }

    pub(super) fn keep_here(&mut self, file: &Path) -> Result<bool, Failure> {
        if self.lost || self.kept.is_some_and(|kept| self.is_near(kept)) {
            return Ok(false);
        }
        let Some(place) = self.machine.place_here()? else { return Ok(false) };
        place.write(file)?;
        self.kept = Some(self.position);
        Ok(true)
    }

    pub(super) fn use_place(&mut self, file: &Path) {
        let id = self.recording.manifest().id.clone();
        let Some(place) = KeptPlace::read(file, &id) else { return };
        let thread = ReplayThread::start(&self.recording);
        let (recording, control) = (self.recording.clone(), self.control.clone());
        let mut machine = Machine::at_start(recording, control, &thread);
        // What fails here costs time only: the way goes over a checkpoint then.
        if machine.restore_place(&place).is_ok()
            && let Ok(Some(here)) = machine.here()
        {
            self.snapshots.keep(&mut machine);
            self.kept = Some(here);
        }
    }
}

impl Machine {
    /// All that there is at this moment; nothing where it has no name, or is too much.
    fn place_here(&mut self) -> Result<Option<KeptPlace>, Failure> {
        if self.here()?.is_none() {
            return Ok(None);
        }
        let runner = self.runner()?;
        let branches = match &runner {
            Some((task, _)) => self.branches(*task)?,
            None => None,
        };
        let Some(current) = self.tasks.keys().next().copied() else { return Ok(None) };
        let mut state = Checkpoint {
            index: CheckpointIndex::new(0),
            event: self.done,
            run_time_ns: 0,
            complete: true,
            current,
            tasks: Vec::new(),
            spaces: Vec::new(),
            shared: Vec::new(),
            segments: Vec::new(),
        };
        for (id, task) in &mut self.tasks {
            state.tasks.push(TaskState {
                task: *id,
                tid: task.tid,
                pid: task.pid,
                space: task.space,
                name: task.name.clone(),
                registers: task.registers,
                vector: task.stopped.vector()?,
                in_syscall: task.in_syscall,
                signal_mask: 0,
            });
        }
        let (mut pages, mut contents) = (Vec::new(), Vec::new());
        let spaces: Vec<SpaceId> = self.spaces.keys().copied().collect();
        for space in spaces {
            if !self.space(space).segments.is_empty() {
                // Such a file has no room for them: the way there is made again.
                return Ok(None);
            }
            let mappings = self.space(space).table.to_vec();
            let found = self.private_pages(space, &mappings)?;
            if pages.len() + found.len() > MOST_PAGES {
                return Ok(None);
            }
            let Some(task) = self.task_in(space).map(|task| task.id) else { continue };
            for page in found {
                let mut bytes = vec![0; PAGE_LEN];
                // Without breakpoints, as the program has it.
                if self.read_some(task, page.addr(), &mut bytes)? == PAGE_LEN {
                    pages.push((space, page));
                    contents.append(&mut bytes);
                }
            }
            let (cleared, none) = (Vec::new(), Vec::new());
            state.spaces.push(SpaceState { space, mappings, cleared, pages: none });
        }
        let mut shared = Vec::new();
        for (id, file) in &self.shared {
            let len = file.metadata()?.len();
            state.shared.push(SharedState { shared: *id, len, pages: Vec::new() });
            for (start, end) in retake_ptrace::data_ranges(file, 0, len) {
                for number in start / PAGE_SIZE..end.div_ceil(PAGE_SIZE) {
                    let mut bytes = vec![0; PAGE_LEN];
                    let got = file.read_at(&mut bytes, number * PAGE_SIZE)?;
                    bytes.get_mut(got..).unwrap_or_default().fill(0);
                    shared.push((*id, number));
                    contents.append(&mut bytes);
                }
                if shared.len() > MOST_PAGES {
                    return Ok(None);
                }
            }
        }
        let recording = self.recording.manifest().id.clone();
        let standing_at = self.standing_at;
        Ok(Some(KeptPlace {
            recording,
            state,
            runner,
            branches,
            standing_at,
            pages,
            shared,
            contents,
        }))
    }

    /// The pages of a space that are its own.
    fn private_pages(
        &mut self,
        space: SpaceId,
        mappings: &[retake_model::Mapping],
    ) -> Result<Vec<PageAddr>, Failure> {
        let mut found = Vec::new();
        let Some(task) = self.task_in(space) else { return Ok(found) };
        let map = PageMap::open(task.memory.tid())?;
        for mapping in mappings {
            if !matches!(mapping.backing, Backing::Shared { .. }) {
                map.private_pages(mapping.range, &mut found)?;
            }
        }
        Ok(found)
    }

    /// Makes this machine what it was at a kept place.
    fn restore_place(&mut self, place: &KeptPlace) -> Result<(), Failure> {
        self.restore_from(&place.state)?;
        let mut contents = place.contents.chunks_exact(PAGE_LEN);
        for ((space, page), bytes) in place.pages.iter().zip(&mut contents) {
            if let Some(task) = self.task_in(*space) {
                task.memory.write(page.addr(), bytes)?;
            }
        }
        for ((id, number), bytes) in place.shared.iter().zip(&mut contents) {
            if let Some(file) = self.shared.get(id) {
                let left = file.metadata()?.len().saturating_sub(number * PAGE_SIZE);
                let len = usize::try_from(left).unwrap_or(PAGE_LEN).min(PAGE_LEN);
                file.write_all_at(bytes.get(..len).unwrap_or(bytes), number * PAGE_SIZE)?;
            }
        }
        if let Some((task, registers)) = &place.runner {
            self.task(*task)?.go_on_with(registers)?;
            self.count = Count::of_copy(place.branches);
        }
        self.standing_at = place.standing_at;
        Ok(())
    }
}
