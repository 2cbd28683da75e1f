//! Moving through a script of moments.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use retake_execution::{
    CheckpointInfo, ClockRead, Direction, Diversion, ErrorKind, EventFilter, EventText, Execution,
    ExecutionError, FileBytes, FileInfo, Hit, Judge, Printed, ProgramEnd, RunPlan, Site, State,
    Stop, StopReason, SyscallName, TaskInfo,
};
use retake_model::{
    Addr, CheckpointIndex, EventIndex, FileId, Mapping, Position, Registers, TaskId, VectorState,
};

use super::diversion::FakeDiversion;
use super::events::{find, printed, syscall_names};
use super::moment::{FakeTask, Moment, Script};

/// An [`Execution`] over a script: see [`super::FakeBuilder`].
#[derive(Clone, Debug)]
pub struct FakeExecution {
    pub(super) script: Script,
    /// Index into the script's moments; there is always at least one.
    pub(super) at: usize,
    sites: Vec<Site>,
    pub(super) interrupt: Arc<AtomicBool>,
    pub(super) interrupt_after: Option<usize>,
    pub(super) reached: Arc<AtomicU64>,
}

impl FakeExecution {
    pub(super) fn new(script: Script) -> Self {
        Self {
            script,
            at: 0,
            sites: Vec::new(),
            interrupt: Arc::default(),
            interrupt_after: None,
            reached: Arc::default(),
        }
    }

    /// The next movement is interrupted after it has passed this many moments.
    pub fn interrupt_after(&mut self, moments: usize) {
        self.interrupt_after = Some(moments);
    }

    /// The positions of all moments, in order.
    pub fn positions(&self) -> Vec<Position> {
        self.script.moments.iter().map(|moment| moment.position).collect()
    }

    /// The sites in force.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    pub(super) fn moment(&self) -> &Moment {
        &self.script.moments[self.at]
    }

    pub(super) fn task(&self, task: TaskId, attempt: &str) -> Result<&FakeTask, ExecutionError> {
        self.moment().tasks.get(&task).ok_or_else(|| {
            let what = format!("task {task} does not exist at {}", self.position());
            ExecutionError::new(attempt, ErrorKind::NotFound(what))
        })
    }
}

pub(super) fn index_of(event: u64) -> usize {
    usize::try_from(event).unwrap_or(usize::MAX)
}

impl State for FakeExecution {
    fn position(&self) -> Position {
        self.moment().position
    }

    fn current_task(&self) -> TaskId {
        self.moment().task
    }

    fn tasks(&self) -> Vec<TaskInfo> {
        self.moment().tasks.values().map(|task| task.info.clone()).collect()
    }

    fn registers(&self, task: TaskId) -> Result<Registers, ExecutionError> {
        Ok(self.task(task, "read registers")?.registers)
    }

    fn vector_registers(&self, task: TaskId) -> Result<VectorState, ExecutionError> {
        self.task(task, "read registers")?;
        Ok(VectorState::from_bytes(vec![0; 576]))
    }

    fn read_some(&self, task: TaskId, addr: Addr, out: &mut [u8]) -> Result<usize, ExecutionError> {
        let space = self.task(task, "read memory")?.info.space;
        Ok(self.fill(space, self.moment().writes, addr, out))
    }

    fn mappings(&self, task: TaskId) -> Result<Vec<Mapping>, ExecutionError> {
        let space = self.task(task, "list mappings")?.info.space;
        Ok(self.script.mappings.get(&space).cloned().unwrap_or_default())
    }
}

impl Execution for FakeExecution {
    fn event_count(&self) -> EventIndex {
        EventIndex::new(self.script.events.len() as u64)
    }

    fn all_tasks(&self) -> Result<Vec<TaskId>, ExecutionError> {
        let tasks = self.script.moments.iter().flat_map(|moment| moment.tasks.keys().copied());
        Ok(tasks.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
    }

    fn checkpoints(&self) -> Vec<CheckpointInfo> {
        let numbered = (0_u32..).zip(&self.script.checkpoints);
        let info = |(index, &event): (u32, &u64)| CheckpointInfo {
            index: CheckpointIndex::new(index),
            event: EventIndex::new(event),
            run_time_ns: event.saturating_mul(1_000_000),
        };
        numbered.map(info).collect()
    }

    fn files(&self) -> Vec<FileInfo> {
        let numbered = (0_u32..).zip(&self.script.files);
        numbered
            .map(|(index, file)| FileInfo { file: FileId::new(index), path: file.path.clone() })
            .collect()
    }

    fn file_bytes(&self, file: FileId) -> Result<FileBytes, ExecutionError> {
        let index = usize::try_from(file.get()).unwrap_or(usize::MAX);
        let found = self.script.files.get(index).ok_or_else(|| {
            let what = format!("there is no file {file}");
            ExecutionError::new("read a file", ErrorKind::NotFound(what))
        })?;
        Ok(Arc::new(found.bytes.clone()))
    }

    fn describe_event(&self, event: EventIndex) -> Result<String, ExecutionError> {
        self.script.events.get(index_of(event.get())).cloned().ok_or_else(|| {
            let what = format!("there is no event {event}");
            ExecutionError::new("describe an event", ErrorKind::NotFound(what))
        })
    }

    fn event_texts(
        &mut self,
        from: EventIndex,
        count: usize,
    ) -> Result<Vec<EventText>, ExecutionError> {
        self.describe_event(from)?;
        let all = (0..).map(EventIndex::new).zip(&self.script.events);
        let wanted = all.skip(index_of(from.get())).take(count);
        Ok(wanted.map(|(event, text)| EventText { event, text: text.clone() }).collect())
    }

    fn program_end(&self) -> Option<ProgramEnd> {
        self.script.end
    }

    fn whole_run_time(&self) -> Option<u64> {
        self.script.end.map(|_| (self.script.events.len() as u64).saturating_mul(1_000_000))
    }

    fn clock_reads(&self) -> Result<Arc<[ClockRead]>, ExecutionError> {
        Ok(self.script.clock_reads.clone().into())
    }

    fn printed(&mut self, until: EventIndex) -> Result<Vec<Printed>, ExecutionError> {
        Ok(printed(&self.script, until))
    }

    fn find_event(
        &mut self,
        direction: Direction,
        from: EventIndex,
        kinds: &[EventFilter],
    ) -> Result<Option<EventIndex>, ExecutionError> {
        Ok(find(&self.script, direction, from, kinds))
    }

    fn syscall_names(&self) -> Vec<SyscallName> {
        syscall_names()
    }

    fn state(&self) -> &dyn State {
        self
    }

    fn seek(&mut self, to: Position) -> Result<Stop, ExecutionError> {
        let attempt = format!("seek to {to}");
        let found = self.script.moments.iter().position(|moment| moment.position == to);
        let Some(index) = found else {
            let what = "there is no such moment".to_owned();
            return Err(ExecutionError::new(attempt, ErrorKind::NotFound(what)));
        };
        self.pass(&attempt, usize::MAX, index)?;
        // The last moment is named by its end only, as that of a replay is.
        let is_end = index > 0 && index + 1 == self.script.moments.len();
        Ok(self.arrive(index, if is_end { Vec::new() } else { vec![StopReason::Reached] }))
    }

    fn seek_before(&mut self, event: EventIndex) -> Result<Stop, ExecutionError> {
        let moments = self.script.moments.iter();
        match moments.map(|moment| moment.position).rfind(|at| at.event() == event) {
            Some(last) => self.seek(last),
            None => self.seek(Position::at_event(event)),
        }
    }

    fn run(
        &mut self,
        plan: &RunPlan<'_>,
        judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, ExecutionError> {
        let from = self.at;
        self.sites = plan.sites.to_vec();
        let result = self.go(plan, judge);
        if result.is_err() {
            self.at = from;
        }
        result
    }

    fn hits(
        &mut self,
        sites: &[Site],
        skipped: u64,
        sink: &mut dyn FnMut(&Hit, &dyn State) -> ControlFlow<()>,
    ) -> Result<(), ExecutionError> {
        let before = self.at;
        let mut left = skipped;
        let mut result = Ok(());
        for index in 0..self.script.moments.len() {
            result = self.pass("list hits", index, index);
            if result.is_err() {
                break;
            }
            self.at = index;
            let Some(hit) = self.site_at(index, sites) else { continue };
            if left > 0 {
                left -= 1;
            } else if sink(&hit, self).is_break() {
                break;
            }
        }
        self.at = before;
        result
    }

    fn count_hits(
        &mut self,
        sites: &[Site],
        until: Option<Position>,
    ) -> Result<u64, ExecutionError> {
        let mut number = 0;
        let mut indexes = 0..self.script.moments.len();
        for index in indexes.by_ref() {
            self.pass("count hits", index, index)?;
            if until == Some(self.script.moments[index].position) {
                break;
            }
            number += u64::from(self.site_at(index, sites).is_some());
        }
        Ok(number)
    }

    fn divert(&mut self) -> Result<Box<dyn Diversion>, ExecutionError> {
        Ok(Box::new(FakeDiversion::of(self)))
    }

    fn interrupter(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupt)
    }

    fn reached(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.reached)
    }
}
