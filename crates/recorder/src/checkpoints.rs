//! Checkpoints while recording.

use std::time::Duration;

use retake_abi::nr;
use retake_model::{Backing, CheckpointIndex, PAGE_SIZE, SharedId, SpaceId, Tid};
use retake_ptrace::{PageMap, ProcessMemory, Stopped, WriteTracker, copy_fd, monotonic};
use retake_recording::{CheckpointDraft, PageBatch, SharedDraft, SpaceDraft, TaskState};
use retake_tracee::{InjectPage, inject};

use crate::error::RecordError;
use crate::files::SharedObject;
use crate::leaving::Purpose;
use crate::places::Search;
use crate::session::{Next, Session};
use crate::task::{Run, Space, Task};

/// Replaying an event takes about this long, whatever it took to record.
const EVENT_COST: Duration = Duration::from_micros(5);
/// A checkpoint may take this share of the time since the one before.
const LARGEST_SHARE: u32 = 25;

/// A stretch without events has no checkpoint before it took so long.
const LEAST_STRETCH: Duration = Duration::from_secs(1);

/// Taking all of an address space happens once: this part of it counts when the next one is due.
const ONCE_SHARE: u32 = 10;

/// When checkpoints are due.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    run_time: Duration,
    /// On the monotonic clock.
    since: Duration,
    last: Duration,
    cost: Duration,
    /// What the event took that was made for the next one.
    event_cost: Duration,
    events: u32,
    made: u32,
    announced: bool,
    /// When one could last have been made, on the monotonic clock: a task stood at an event.
    possible: Duration,
}

/// What is to be done about checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    No,
    /// One comes soon: get ready. Said once before each.
    Soon,
    Now,
}

impl Schedule {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            run_time: Duration::ZERO,
            since: monotonic(),
            last: Duration::ZERO,
            cost: Duration::ZERO,
            event_cost: Duration::ZERO,
            events: 0,
            made: 0,
            announced: false,
            possible: Duration::ZERO,
        }
    }

    /// No more checkpoints.
    pub(crate) fn stop(&mut self) {
        self.interval = Duration::MAX;
    }

    /// Everybody waits from here on: no run time passes.
    pub(crate) fn pause(&mut self) {
        self.run_time += monotonic().saturating_sub(self.since);
    }

    /// Somebody runs again.
    pub(crate) fn resume(&mut self) {
        self.since = monotonic();
    }

    pub(crate) fn count_event(&mut self) {
        self.events += 1;
    }

    /// Time the program has been running.
    pub(crate) fn run_time(&self) -> Duration {
        self.run_time_at(monotonic())
    }

    fn run_time_at(&self, now: Duration) -> Duration {
        self.run_time + now.saturating_sub(self.since)
    }

    /// Asked where one can be made. Due when re-executing from the last checkpoint would take an interval by
    /// now, unless checkpoints would take too large a share of the time.
    pub(crate) fn due(&mut self) -> Due {
        self.possible = monotonic();
        let ran = self.run_time_at(self.possible).saturating_sub(self.last);
        let replay = ran.max(EVENT_COST.saturating_mul(self.events));
        if replay >= self.interval && ran >= self.cost.saturating_mul(LARGEST_SHARE) {
            return Due::Now;
        }
        if !self.announced && replay >= self.interval / 2 {
            self.announced = true;
            return Due::Soon;
        }
        Due::No
    }

    /// Whether one is due in the middle of code, where none could be made for so long. Calls that are made
    /// without a stop are events where none can be made.
    pub(crate) fn is_due_in_stretch(&self, now: Duration) -> bool {
        let ran = self.run_time_at(now).saturating_sub(self.last);
        now.saturating_sub(self.possible) >= self.interval.max(LEAST_STRETCH)
            && ran >= self.interval
            && ran >= self.cost.saturating_mul(LARGEST_SHARE)
    }

    /// One was made: it took `cost`, and of that `once` for address spaces that had none before.
    fn made(&mut self, cost: Duration, once: Duration) {
        self.last = self.run_time();
        let event_cost = std::mem::take(&mut self.event_cost);
        self.cost = event_cost + cost.saturating_sub(once) + once / ONCE_SHARE;
        self.events = 0;
        self.made += 1;
        self.announced = false;
    }

    /// How many were made.
    pub(crate) fn count(&self) -> u32 {
        self.made
    }
}

impl Session {
    /// Takes a checkpoint, with `next` as the task that runs after it. Nothing is taken when a task
    /// is in a state that a checkpoint cannot hold.
    pub(crate) fn checkpoint(&mut self, next: Tid) -> Result<(), RecordError> {
        match self.take_checkpoint(next) {
            Err(error) if error.is_gone() => {
                // Killed out of its stop. What was gathered by then is lost for the next one.
                for space in self.spaces.values_mut() {
                    space.take_all_again();
                }
                Ok(())
            }
            other => other,
        }
    }

    fn take_checkpoint(&mut self, next: Tid) -> Result<(), RecordError> {
        let started = monotonic();
        let Some(tasks) = self.task_states()? else {
            return Ok(());
        };
        let Some(current) = self.tasks.get(&next).map(|task| task.id) else {
            return Ok(());
        };
        let ids: Vec<SpaceId> = self.spaces.keys().copied().collect();
        let mut spaces = Vec::new();
        let mut once = Duration::ZERO;
        for id in ids {
            let (begun, is_new) = (monotonic(), !self.space(id)?.tracking.tried);
            self.start_tracking(id)?;
            spaces.extend(self.space_draft(id)?);
            if is_new {
                once += monotonic().saturating_sub(begun);
            }
        }
        self.forget_unmapped_objects();
        let shared = self.shared_drafts();
        let run_time_ns = u64::try_from(self.schedule.run_time().as_nanos()).unwrap_or(u64::MAX);
        let event = self.event_count();
        let segments_of = |(id, space): (&SpaceId, &Space)| {
            let id = *id;
            space.segments.values().map(|segment| (id, *segment)).collect::<Vec<_>>()
        };
        let segments = self.spaces.iter().flat_map(segments_of).collect();
        let draft =
            CheckpointDraft { event, run_time_ns, current, tasks, spaces, shared, segments };
        let _index: CheckpointIndex = self.writer.add_checkpoint(draft)?;
        self.schedule.made(monotonic().saturating_sub(started), once);
        Ok(())
    }

    /// Has memory made ready for the pages of address spaces that no checkpoint has yet.
    pub(crate) fn prepare_checkpoint(&self) {
        let new = self.spaces.iter().filter(|(_, space)| !space.tracking.tried);
        let pages: u64 = new
            .filter_map(|(id, _)| retake_ptrace::private_page_count(self.reader_of(*id)?.tid))
            .sum();
        if pages > 0 {
            let bytes = pages.saturating_mul(PAGE_SIZE);
            self.writer.prepare_for(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
    }

    /// Makes an event in such a stretch: the checkpoint follows before the task goes on.
    pub(crate) fn mark_stretch(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        let started = monotonic();
        let next = self.place_event(task, stopped, Search::HASTY, Purpose::Checkpoint);
        self.schedule.event_cost = monotonic().saturating_sub(started);
        next
    }

    fn task_states(&self) -> Result<Option<Vec<TaskState>>, RecordError> {
        let mut states = Vec::new();
        for task in self.tasks.values().filter(|task| !task.ended) {
            let (vector, signal_mask, in_syscall) = match (&task.run, &task.open) {
                (Run::Ready(stopped), _) => match (stopped.vector(), stopped.signal_mask()) {
                    (Ok(vector), Ok(mask)) => (vector, mask, None),
                    // Killed out of its stop: its end is the next event.
                    _ => return Ok(None),
                },
                // A call that is replacing the address space, or that may be writing to it, has no
                // state that could be taken.
                (Run::Kernel, Some(open)) if !open.writes_directly && !open.replaces_memory() => {
                    let Some(vector) = &open.vector else { return Ok(None) };
                    (vector.clone(), 0, Some(open.call.no))
                }
                (Run::Kernel, None) => match &task.stopped {
                    Some((vector, mask)) => (vector.clone(), *mask, None),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            };
            states.push(TaskState {
                task: task.id,
                tid: task.tid,
                pid: task.pid,
                space: task.space,
                name: task.name.clone(),
                registers: task.registers,
                vector,
                in_syscall,
                signal_mask,
            });
        }
        states.sort_by_key(|state| state.task);
        Ok(Some(states))
    }

    fn reader_of(&self, space: SpaceId) -> Option<&Task> {
        self.tasks.values().find(|task| task.space == space && !task.ended)
    }

    fn space_draft(&mut self, id: SpaceId) -> Result<Option<SpaceDraft>, RecordError> {
        let Some(tid) = self.reader_of(id).map(|task| task.tid) else {
            return Ok(None);
        };
        let map = PageMap::open(tid)?;
        let space = self.space(id)?;
        let mappings = space.table.to_vec();
        let cleared = std::mem::take(&mut space.cleared);
        let mut pages = Vec::new();
        for mapping in &mappings {
            match mapping.backing {
                Backing::Shared { .. } => {}
                Backing::Copied => {
                    space.tracking.changed(&map, mapping, &mut Vec::new())?;
                    pages.extend(mapping.range.pages());
                }
                _ => space.tracking.changed(&map, mapping, &mut pages)?,
            }
        }
        let mut batch = self.writer.pool().batch();
        let memory = ProcessMemory::new(tid);
        crate::image::copy_pages(&memory, &pages, &mut batch);
        // Pages that cannot be read are left out, which is right only while the memory exists.
        memory.read_exact(InjectPage::ADDR, &mut [0; InjectPage::CODE.len()])?;
        Ok(Some(SpaceDraft { space: id, mappings, cleared, complete: false, pages: batch }))
    }

    fn forget_unmapped_objects(&mut self) {
        let mapped = self.spaces.values().flat_map(|space| space.table.iter());
        let mapped = mapped.filter_map(|m| m.backing.shared_object()).map(|(id, _)| id).collect();
        self.files.retain(&mapped);
    }

    fn shared_drafts(&self) -> Vec<SharedDraft> {
        let draft = |object: &SharedObject| {
            let pages = self.pages_of_object(object);
            SharedDraft { shared: object.id, len: object.len, complete: true, pages }
        };
        self.files.shared().map(draft).collect()
    }

    /// What a shared object holds now.
    pub(crate) fn pages_of_object(&self, object: &SharedObject) -> PageBatch {
        match &object.file {
            Some(file) => crate::files::nonzero_pages(self.writer.pool(), file, 0, object.len),
            None => self.mapped_pages(object.id),
        }
    }

    /// The contents of a shared object that cannot be opened (anonymous memory needs privilege), from
    /// the memory of those who map it. What nobody maps, nobody can see.
    fn mapped_pages(&self, id: SharedId) -> PageBatch {
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
        let mut batch = self.writer.pool().batch();
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

    /// Makes a write-tracker for a space that has none, where the kernel can.
    fn start_tracking(&mut self, id: SpaceId) -> Result<(), RecordError> {
        if self.space(id)?.tracking.tried {
            return Ok(());
        }
        let usable = |task: &&mut Task| {
            task.space == id
                && task.run.is_ready()
                && retake_abi::Errno::from_result(task.registers.rax.cast_signed())
                    .is_none_or(|errno| !errno.is_restart())
        };
        let Some(task) = self.tasks.values_mut().find(usable) else {
            return Ok(());
        };
        let Run::Ready(mut stopped) = std::mem::replace(&mut task.run, Run::Away) else {
            return Ok(());
        };
        let made = make_tracker(task, &mut stopped);
        task.run = Run::Ready(stopped);
        self.tracking_tried(id, made?)
    }

    /// The same with a task that is not listed, as it is being handled.
    pub(crate) fn start_tracking_with(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
    ) -> Result<(), RecordError> {
        if self.space(task.space)?.tracking.tried {
            return Ok(());
        }
        let made = make_tracker(task, stopped)?;
        self.tracking_tried(task.space, made)
    }

    fn tracking_tried(
        &mut self,
        id: SpaceId,
        tracker: Option<WriteTracker>,
    ) -> Result<(), RecordError> {
        let space = self.space(id)?;
        space.tracking.tried = true;
        if let Some(tracker) = tracker {
            space.tracking.set_tracker(tracker);
        }
        Ok(())
    }
}

/// Has the task make a userfaultfd, and takes it from there.
fn make_tracker(
    task: &mut Task,
    stopped: &mut Stopped,
) -> Result<Option<WriteTracker>, RecordError> {
    const USER_MODE_ONLY_CLOEXEC: u64 = 1 | 0o2_000_000;
    let registers = stopped.registers()?;
    let args = [USER_MODE_ONLY_CLOEXEC, 0, 0, 0, 0, 0];
    let made = inject(stopped, &registers, nr::USERFAULTFD, args)?;
    task.held.extend(made.signals);
    let mut tracker = None;
    if let Ok(fd) = i32::try_from(made.result)
        && fd >= 0
    {
        let copy = copy_fd(task.tid, task.pid, fd);
        tracker = copy.and_then(|fd| WriteTracker::new(task.tid, fd)).ok();
        let args = [made.result.cast_unsigned(), 0, 0, 0, 0, 0];
        let closed = inject(stopped, &registers, nr::CLOSE, args)?;
        task.held.extend(closed.signals);
    }
    stopped.set_registers(&registers)?;
    Ok(tracker)
}
