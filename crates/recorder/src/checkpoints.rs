//! Checkpoints while recording.

use std::time::{Duration, Instant};

use retake_abi::nr;
use retake_model::{Backing, CheckpointIndex, SpaceId, Tid};
use retake_ptrace::{PageMap, ProcessMemory, WriteTracker, copy_fd};
use retake_recording::{CheckpointDraft, PageBatch, SharedDraft, SpaceDraft, TaskState};
use retake_tracee::inject;

use crate::error::RecordError;
use crate::session::Session;
use crate::task::{OpenCall, Run, Task};

/// Replaying an event takes about this long, whatever it took to record.
const EVENT_COST: Duration = Duration::from_micros(5);
/// A checkpoint may take this share of the time since the one before.
const LARGEST_SHARE: u32 = 25;

/// When checkpoints are due.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    run_time: Duration,
    since: Instant,
    last: Duration,
    cost: Duration,
    events: u32,
    made: u32,
}

impl Schedule {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            run_time: Duration::ZERO,
            since: Instant::now(),
            last: Duration::ZERO,
            cost: Duration::ZERO,
            events: 0,
            made: 0,
        }
    }

    /// Everybody waits from here on: no run time passes.
    pub(crate) fn pause(&mut self) {
        self.run_time += self.since.elapsed();
    }

    /// Somebody runs again.
    pub(crate) fn resume(&mut self) {
        self.since = Instant::now();
    }

    pub(crate) fn count_event(&mut self) {
        self.events += 1;
    }

    /// Time the program has been running.
    pub(crate) fn run_time(&self) -> Duration {
        self.run_time + self.since.elapsed()
    }

    /// Whether re-executing from the last checkpoint would take an interval by now, unless
    /// checkpoints would take too large a share of the time.
    pub(crate) fn is_due(&mut self) -> bool {
        let ran = self.run_time().saturating_sub(self.last);
        let replay = ran.max(EVENT_COST.saturating_mul(self.events));
        replay >= self.interval && ran >= self.cost.saturating_mul(LARGEST_SHARE)
    }

    fn made(&mut self, cost: Duration) {
        self.last = self.run_time();
        self.cost = cost;
        self.events = 0;
        self.made += 1;
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
        let started = Instant::now();
        let Some(tasks) = self.task_states()? else {
            return Ok(());
        };
        let Some(current) = self.tasks.get(&next).map(|task| task.id) else { return Ok(()) };
        let ids: Vec<SpaceId> = self.spaces.keys().copied().collect();
        let mut spaces = Vec::new();
        for id in ids {
            self.start_tracking(id)?;
            spaces.extend(self.space_draft(id)?);
        }
        let shared = self.shared_drafts();
        let run_time_ns = u64::try_from(self.schedule.run_time().as_nanos()).unwrap_or(u64::MAX);
        let event = self.event_count();
        let draft = CheckpointDraft { event, run_time_ns, current, tasks, spaces, shared };
        let _index: CheckpointIndex = self.writer.add_checkpoint(draft)?;
        self.schedule.made(started.elapsed());
        Ok(())
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
                (Run::Kernel, Some(OpenCall { vector: Some(vector), call, .. })) => {
                    (vector.clone(), 0, Some(call.no))
                }
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
        let Some(tid) = self.reader_of(id).map(|task| task.tid) else { return Ok(None) };
        let map = PageMap::open(tid)?;
        let space = self.space(id)?;
        let mappings = space.table.to_vec();
        let cleared = std::mem::take(&mut space.cleared);
        let mut pages = Vec::new();
        for mapping in &mappings {
            if !matches!(mapping.backing, Backing::Shared { .. }) {
                space.tracking.changed(&map, mapping, &mut pages)?;
            }
        }
        let mut batch = PageBatch { addrs: Vec::new(), bytes: Vec::new() };
        crate::image::copy_pages(&ProcessMemory::new(tid), &pages, &mut batch);
        Ok(Some(SpaceDraft { space: id, mappings, cleared, complete: false, pages: batch }))
    }

    fn shared_drafts(&self) -> Vec<SharedDraft> {
        self.files
            .shared()
            .filter_map(|object| {
                let pages = crate::files::nonzero_pages(object.file.as_ref()?, 0, object.len);
                Some(SharedDraft { shared: object.id, len: object.len, complete: true, pages })
            })
            .collect()
    }

    /// Makes a write-tracker for a space that has none, where the kernel can.
    fn start_tracking(&mut self, id: SpaceId) -> Result<(), RecordError> {
        const USERFAULTFD: retake_model::SyscallNo = nr::USERFAULTFD;
        const USER_MODE_ONLY_CLOEXEC: u64 = 1 | 0o2_000_000;
        if self.space(id)?.tracking.tried {
            return Ok(());
        }
        let usable = |task: &&mut Task| {
            task.space == id
                && task.run.is_ready()
                && retake_abi::Errno::from_result(task.registers.rax.cast_signed())
                    .is_none_or(|errno| !errno.is_restart())
        };
        let Some(task) = self.tasks.values_mut().find(usable) else { return Ok(()) };
        let registers = task.registers;
        let tid = task.tid;
        let Run::Ready(stopped) = &mut task.run else { return Ok(()) };
        let made = inject(stopped, &registers, USERFAULTFD, [USER_MODE_ONLY_CLOEXEC, 0, 0, 0, 0, 0])?;
        task.held.extend(made.signals);
        let mut tracker = None;
        if let Ok(fd) = i32::try_from(made.result)
            && fd >= 0
        {
            tracker = copy_fd(tid, fd).and_then(|fd| WriteTracker::new(tid, fd)).ok();
            let args = [made.result.cast_unsigned(), 0, 0, 0, 0, 0];
            let closed = inject(stopped, &registers, nr::CLOSE, args)?;
            task.held.extend(closed.signals);
        }
        stopped.set_registers(&registers)?;
        let space = self.space(id)?;
        space.tracking.tried = true;
        if let Some(tracker) = tracker {
            space.tracking.set_tracker(tracker);
        }
        Ok(())
    }
}
