//! Comparing the replayed state with a checkpoint.

use retake_execution::Divergence;
use retake_model::{
    Backing, CheckpointIndex, PAGE_LEN, PAGE_SIZE, PageAddr, PageId, TaskId, VectorState,
};
use retake_ptrace::PageMap;
use retake_recording::{Checkpoint, SharedState, SpaceState, page_id};

use crate::failure::Failure;
use crate::machine::Machine;

/// Bytes of an XSAVE area up to its header's end: x87 and SSE state, and which components are in use.
const HEADER_END: usize = 576;

/// Vector states are equal if every component holds the same values, also where one of them says
/// "as at reset" and the other spells that out.
pub(crate) fn same_vector(expected: &VectorState, actual: &VectorState) -> bool {
    let (a, b) = (expected.as_bytes(), actual.as_bytes());
    if a == b {
        return true;
    }
    // XMM registers, without the x87 pointers and the bytes that belong to the kernel.
    let sse = 160..416;
    let used = |state: &VectorState| state.in_use().unwrap_or(0);
    let same_sse = a.get(sse.clone()) == b.get(sse);
    let x87 = 32..160;
    let same_x87 = (used(expected) | used(actual)) & 1 == 0 || a.get(x87.clone()) == b.get(x87);
    same_sse && same_x87 && a.get(HEADER_END..) == b.get(HEADER_END..)
}

impl Machine {
    fn differs(
        &self,
        checkpoint: &Checkpoint,
        task: Option<TaskId>,
        what: String,
        expected: String,
        actual: String,
    ) -> Failure {
        Failure::Divergence(Box::new(Divergence {
            event: checkpoint.event,
            task,
            what: format!("{what} at checkpoint {}", checkpoint.index),
            expected,
            actual,
            context: crate::describe::context(&self.recording, checkpoint.event),
        }))
    }

    /// Compares everything with a checkpoint that lies at the current event.
    pub(crate) fn check(&mut self, index: CheckpointIndex) -> Result<(), Failure> {
        let checked = self.compare_with(index);
        checked.map_err(|failure| self.explain(failure))
    }

    fn compare_with(&mut self, index: CheckpointIndex) -> Result<(), Failure> {
        let checkpoint = self.recording.checkpoint(index)?;
        let here: Vec<TaskId> = self.tasks.keys().copied().collect();
        let there: Vec<TaskId> = checkpoint.tasks.iter().map(|task| task.task).collect();
        if here != there {
            let (e, a) = (format!("{there:?}"), format!("{here:?}"));
            return Err(self.differs(&checkpoint, None, "living tasks".to_owned(), e, a));
        }
        for state in &checkpoint.tasks {
            let task = self.task(state.task)?;
            let (registers, vector) = (task.registers, task.stopped.vector()?);
            if registers != state.registers {
                return Err(Failure::Divergence(Box::new(crate::describe::registers_differ(
                    &self.recording,
                    checkpoint.event,
                    state.task,
                    format!("registers at checkpoint {index}"),
                    &state.registers,
                    &registers,
                ))));
            }
            if !same_vector(&state.vector, &vector) {
                let first =
                    state.vector.as_bytes().iter().zip(vector.as_bytes()).position(|(a, b)| a != b);
                let what = format!("vector registers (byte {first:?} of the XSAVE area)");
                let (e, a) = (format!("{:?}", state.vector), format!("{vector:?}"));
                return Err(self.differs(&checkpoint, Some(state.task), what, e, a));
            }
        }
        for space in &checkpoint.spaces {
            self.check_space(&checkpoint, space)?;
        }
        self.check_shared(&checkpoint)
    }

    fn check_space(&mut self, checkpoint: &Checkpoint, state: &SpaceState) -> Result<(), Failure> {
        let mappings = self.space(state.space).table.to_vec();
        if mappings != state.mappings {
            let missing = state.mappings.iter().find(|m| !mappings.contains(m));
            let extra = mappings.iter().find(|m| !state.mappings.contains(m));
            let what = format!("mappings of address space {}", state.space);
            let (e, a) = (format!("{missing:?}"), format!("{extra:?}"));
            return Err(self.differs(checkpoint, None, what, e, a));
        }
        let of_space = checkpoint.segments.iter().filter(|(of, _)| *of == state.space);
        let wanted: Vec<_> = of_space.map(|(_, segment)| *segment).collect();
        let segments: Vec<_> = self.space(state.space).segments.values().copied().collect();
        if segments != wanted {
            let what = format!("segments of address space {}", state.space);
            let (e, a) = (format!("{wanted:?}"), format!("{segments:?}"));
            return Err(self.differs(checkpoint, None, what, e, a));
        }
        let Some(task) = self.task_in(state.space) else {
            return Ok(());
        };
        let tid = task.stopped.tid();
        let map = PageMap::open(tid)?;
        let zero = page_id(&[0; 4096]);
        for mapping in &mappings {
            if matches!(mapping.backing, Backing::Shared { .. }) {
                continue;
            }
            let from = state.pages.partition_point(|(page, _)| page.addr() < mapping.range.start());
            let to = state.pages.partition_point(|(page, _)| page.addr() < mapping.range.end());
            let mut listed = state.pages.get(from..to).unwrap_or_default().iter().peekable();
            let mut live = Vec::new();
            map.private_pages(mapping.range, &mut live)?;
            let anonymous = mapping.backing.starts_as_zeroes();
            for page in live {
                while let Some((addr, id)) = listed.next_if(|(addr, _)| *addr < page) {
                    // Recorded as written, untouched here: equal if both read as the backing.
                    self.check_page(checkpoint, state, *addr, Some(*id), zero)?;
                }
                let expected = listed.next_if(|(addr, _)| *addr == page).map(|(_, id)| *id);
                if expected.is_some() || anonymous {
                    self.check_page(checkpoint, state, page, expected, zero)?;
                }
            }
            for (addr, id) in listed {
                self.check_page(checkpoint, state, *addr, Some(*id), zero)?;
            }
        }
        Ok(())
    }

    fn check_page(
        &mut self,
        checkpoint: &Checkpoint,
        state: &SpaceState,
        page: PageAddr,
        expected: Option<PageId>,
        zero: PageId,
    ) -> Result<(), Failure> {
        let mut bytes = [0_u8; PAGE_LEN];
        let Some(task) = self.task_in(state.space) else {
            return Ok(());
        };
        if task.memory.read_exact(page.addr(), &mut bytes).is_err() {
            return Ok(());
        }
        if self.sites.in_range(state.space, page.range()) {
            self.sites.mask(state.space, page.addr(), &mut bytes);
        }
        let actual = page_id(&bytes);
        let expected = expected.unwrap_or(zero);
        if actual == expected {
            return Ok(());
        }
        let recorded = match expected == zero {
            true => [0; PAGE_LEN],
            false => self.recording.read_page(expected)?,
        };
        let at = recorded.iter().zip(&bytes).position(|(a, b)| a != b).unwrap_or(0);
        let count = recorded.iter().zip(&bytes).filter(|(a, b)| a != b).count();
        let addr = page.addr().get() + at as u64;
        let show = |bytes: &[u8]| {
            let part = bytes.get(at..(at + 16).min(bytes.len())).unwrap_or_default();
            part.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
        };
        let what = format!(
            "memory of address space {} from {addr:#x} on ({count} bytes of the page)",
            state.space
        );
        Err(self.differs(checkpoint, None, what, show(&recorded), show(&bytes)))
    }

    fn check_shared(&mut self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        for state in &checkpoint.shared {
            let Some(file) = self.shared.get(&state.shared) else {
                let (what, e) = (format!("shared object {}", state.shared), "one".to_owned());
                return Err(self.differs(checkpoint, None, what, e, "none".to_owned()));
            };
            let len = file.metadata()?.len();
            if len != state.len {
                let what = format!("length of shared object {}", state.shared);
                let (e, a) = (state.len.to_string(), len.to_string());
                return Err(self.differs(checkpoint, None, what, e, a));
            }
            if let Some((number, expected, actual)) = shared_page_that_differs(file, state)? {
                let what = format!("page {number} of shared object {}", state.shared);
                let (e, a) = (format!("{expected:?}"), format!("{actual:?}"));
                return Err(self.differs(checkpoint, None, what, e, a));
            }
        }
        Ok(())
    }
}

/// The first page of a shared object that is not as recorded: pages that are not listed are zero.
fn shared_page_that_differs(
    file: &std::fs::File,
    state: &SharedState,
) -> std::io::Result<Option<(u64, PageId, PageId)>> {
    use std::os::unix::fs::FileExt;
    let zero = page_id(&[0; PAGE_LEN]);
    let mut bytes = [0_u8; PAGE_LEN];
    let mut listed = state.pages.iter().peekable();
    for (start, end) in retake_ptrace::data_ranges(file, 0, state.len) {
        for number in start / PAGE_SIZE..end.div_ceil(PAGE_SIZE) {
            if let Some((hole, id)) = listed.next_if(|(at, _)| *at < number) {
                // What comes before the data is a hole.
                return Ok((*id != zero).then_some((*hole, *id, zero)));
            }
            bytes.fill(0);
            let _ = file.read_at(&mut bytes, number * PAGE_SIZE)?;
            let expected = listed.next_if(|(at, _)| *at == number).map_or(zero, |(_, id)| *id);
            let actual = page_id(&bytes);
            if actual != expected {
                return Ok(Some((number, expected, actual)));
            }
        }
    }
    Ok(listed.find(|(_, id)| *id != zero).map(|(number, id)| (*number, *id, zero)))
}
