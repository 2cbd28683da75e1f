//! Moving through a script of moments.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use retake_execution::{
    CheckpointInfo, ClockRead, Direction, Divergence, Diversion, ErrorKind, EventFilter, EventText,
    Execution, ExecutionError, FileBytes, FileInfo, Hit, Judge, Printed, ProgramEnd, RunPlan, Site,
    SiteTarget, State, Stop, StopReason, SyscallName, TaskInfo, Verdict,
};
use retake_model::{
    Addr, Backing, CheckpointIndex, EventIndex, FileId, Judged, Mapping, Position, Predicate,
    Protection, Registers, SpaceId, TaskId, VectorState,
};

use super::diversion::FakeDiversion;
use super::events::{find, printed, syscall_names};
use super::moment::{FakeTask, Moment, Script};

/// An [`Execution`] over a script: see [`super::FakeBuilder`].
#[derive(Debug)]
pub struct FakeExecution {
    script: Script,
    /// Index into the script's moments; there is always at least one.
    at: usize,
    sites: Vec<Site>,
    interrupt: Arc<AtomicBool>,
    interrupt_after: Option<usize>,
}

impl FakeExecution {
    pub(super) fn new(script: Script) -> Self {
        Self { script, at: 0, sites: Vec::new(), interrupt: Arc::default(), interrupt_after: None }
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

    fn moment(&self) -> &Moment {
        &self.script.moments[self.at]
    }

    fn task(&self, task: TaskId, attempt: &str) -> Result<&FakeTask, ExecutionError> {
        self.moment().tasks.get(&task).ok_or_else(|| {
            let what = format!("task {task} does not exist at {}", self.position());
            ExecutionError::new(attempt, ErrorKind::NotFound(what))
        })
    }

    /// Which of `sites` the step that leads to moment `index` hits.
    fn site_at(&self, index: usize, sites: &[Site]) -> Option<Hit> {
        let moment = &self.script.moments[index];
        if moment.position == Position::at_event(moment.position.event()) {
            return None;
        }
        let task = moment.tasks.get(&moment.task)?;
        let (pc, space) = (task.registers.pc(), task.info.space);
        let code = self.code_at(space, pc)?;
        let seen = AtMoment { fake: self, index, registers: task.registers };
        let site = sites.iter().find(|site| {
            let is_there = match site.target {
                SiteTarget::Absolute(addr) => addr == pc,
                SiteTarget::Code { .. } => Some(site.target) == code.target(),
            };
            let holds = |when: &Predicate| when.evaluate(&seen).unwrap_or(true);
            is_there && site.when.as_ref().is_none_or(holds)
        })?;
        Some(Hit { site: site.id, position: moment.position, task: moment.task, space, pc })
    }

    fn code_at(&self, space: SpaceId, pc: Addr) -> Option<CodeAt> {
        let mappings = self.script.mappings.get(&space)?;
        let mapping = mappings.iter().find(|m| m.range.contains(pc))?;
        if !mapping.prot.allows(Protection::EXEC) {
            return None;
        }
        mapping.backing_at(pc).map(CodeAt)
    }

    /// Fills `out` with memory as it is after so many writes; says how many bytes are there.
    fn fill(&self, space: SpaceId, writes: usize, addr: Addr, out: &mut [u8]) -> usize {
        let mappings = self.script.mappings.get(&space).map_or(&[][..], Vec::as_slice);
        let writes = &self.script.writes[..writes];
        for (n, byte) in out.iter_mut().enumerate() {
            let here = addr.checked_add(n as u64);
            let mapping = here.and_then(|here| mappings.iter().find(|m| m.range.contains(here)));
            let (Some(here), Some(mapping)) = (here, mapping) else { return n };
            let written = writes.iter().rev().filter(|write| write.space == space);
            let mut values = written.filter_map(|write| {
                let at = here.offset_from(write.addr)?;
                write.bytes.get(usize::try_from(at).ok()?).copied()
            });
            *byte = match (values.next(), mapping.backing_at(here)) {
                (Some(value), _) => value,
                (None, Some(Backing::File { file, offset })) => {
                    let bytes = self.script.files.get(index_of(u64::from(file.get())));
                    bytes.and_then(|f| f.bytes.get(index_of(offset.get()))).copied().unwrap_or(0)
                }
                (None, _) => 0,
            };
        }
        out.len()
    }

    /// Goes from moment to moment, and gives up where the test wants that.
    fn pass(&mut self, attempt: &str, passed: usize, index: usize) -> Result<(), ExecutionError> {
        if self.interrupt_after.is_some_and(|limit| passed >= limit) {
            self.interrupt_after = None;
            self.interrupt.store(true, Ordering::SeqCst);
        }
        if self.interrupt.swap(false, Ordering::SeqCst) {
            return Err(ExecutionError::new(attempt, ErrorKind::Interrupted));
        }
        let event = self.script.moments[index].position.event();
        match self.script.diverges_at {
            Some(bad) if event.get() > bad => {
                let divergence = Divergence {
                    event: EventIndex::new(bad),
                    task: Some(self.script.moments[index].task),
                    what: "injected".to_owned(),
                    expected: "a".to_owned(),
                    actual: "b".to_owned(),
                    context: vec![format!("{bad} {}", self.script.events[index_of(bad)])],
                };
                let kind = ErrorKind::Divergence(Box::new(divergence));
                Err(ExecutionError::new(attempt, kind))
            }
            _ => Ok(()),
        }
    }

    /// Runs as planned; the moment changes as it goes.
    fn go(
        &mut self,
        plan: &RunPlan<'_>,
        mut judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, ExecutionError> {
        let last = self.script.moments.len() - 1;
        let mut wanted = plan.nth.get();
        let mut steps = plan.steps.map(|steps| (steps.task, steps.count.get()));
        for passed in 0.. {
            let next = match plan.direction {
                Direction::Forward => (self.at < last).then_some(self.at + 1),
                Direction::Backward => self.at.checked_sub(1),
            };
            let Some(next) = next else { break };
            self.pass("run", passed, next)?;
            self.at = next;
            let at_bound = plan.bound == Some(self.moment().position);
            if at_bound && plan.direction == Direction::Forward {
                return Ok(self.arrive(next, vec![StopReason::Reached]));
            }
            if let Some(hit) = self.site_at(next, plan.sites) {
                let counts =
                    judge.as_mut().is_none_or(|judge| judge(&hit, self) == Verdict::Counts);
                wanted -= u64::from(counts);
                if wanted == 0 {
                    return Ok(self.arrive(next, vec![StopReason::Site(hit.site)]));
                }
            }
            if let Some((task, left)) = &mut steps {
                let moment = if plan.direction == Direction::Forward { next } else { next + 1 };
                let ran = &self.script.moments[moment];
                *left -= u64::from(ran.task == *task);
                if *left == 0 {
                    return Ok(self.arrive(next, vec![StopReason::Stepped]));
                }
            }
            if at_bound {
                return Ok(self.arrive(next, vec![StopReason::Reached]));
            }
        }
        Ok(self.arrive(self.at, Vec::new()))
    }

    fn arrive(&mut self, index: usize, mut reasons: Vec<StopReason>) -> Stop {
        self.at = index;
        if index + 1 == self.script.moments.len() {
            if !reasons.contains(&StopReason::End) {
                reasons.push(StopReason::End);
            }
            reasons.extend(self.script.fatal.map(StopReason::Fatal));
        }
        if index == 0 && !reasons.contains(&StopReason::Start) {
            reasons.push(StopReason::Start);
        }
        Stop { position: self.position(), task: self.current_task(), reasons }
    }
}

fn index_of(event: u64) -> usize {
    usize::try_from(event).unwrap_or(usize::MAX)
}

/// The running task of a moment, as predicates see it.
struct AtMoment<'a> {
    fake: &'a FakeExecution,
    index: usize,
    registers: Registers,
}

impl Judged for AtMoment<'_> {
    fn task(&self) -> TaskId {
        self.fake.script.moments[self.index].task
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }

    fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
        let moment = &self.fake.script.moments[self.index];
        let Some(task) = moment.tasks.get(&moment.task) else { return false };
        self.fake.fill(task.info.space, moment.writes, addr, out) == out.len()
    }
}

/// What lies behind an executable address.
struct CodeAt(Backing);

impl CodeAt {
    fn target(&self) -> Option<SiteTarget> {
        match self.0 {
            Backing::File { file, offset } => Some(SiteTarget::Code { file, offset }),
            Backing::Anonymous
            | Backing::Copied
            | Backing::Shared { .. }
            | Backing::Private { .. } => None,
        }
    }
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
        Ok(self.arrive(index, vec![StopReason::Reached]))
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
        // It is everywhere at once.
        Arc::default()
    }
}
