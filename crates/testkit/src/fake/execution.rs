//! Moving through a script of moments.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use retake_execution::{
    CheckpointInfo, Direction, Divergence, ErrorKind, Execution, ExecutionError, FileBytes,
    FileInfo, Hit, Site, SiteTarget, Stop, StopReason, TaskInfo,
};
use retake_model::{
    Addr, Backing, CheckpointIndex, EventIndex, FileId, Mapping, Position, Protection, Registers,
    SpaceId, TaskId,
};

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
        let site = sites.iter().find(|site| match site.target {
            SiteTarget::Absolute(addr) => addr == pc,
            SiteTarget::Code { .. } => Some(site.target) == code.target(),
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

impl Execution for FakeExecution {
    fn event_count(&self) -> EventIndex {
        EventIndex::new(self.script.events.len() as u64)
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

    fn read_memory(&self, task: TaskId, addr: Addr, out: &mut [u8]) -> Result<(), ExecutionError> {
        let space = self.task(task, "read memory")?.info.space;
        let mappings = self.script.mappings.get(&space).map_or(&[][..], Vec::as_slice);
        let writes = &self.script.writes[..self.moment().writes];
        for (n, byte) in (0_u64..).zip(out.iter_mut()) {
            let here = addr.checked_add(n);
            let mapping = here.and_then(|here| mappings.iter().find(|m| m.range.contains(here)));
            let (Some(here), Some(mapping)) = (here, mapping) else {
                let what = format!("no memory at {addr}+{n}");
                return Err(ExecutionError::new("read memory", ErrorKind::NotFound(what)));
            };
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
        Ok(())
    }

    fn mappings(&self, task: TaskId) -> Result<Vec<Mapping>, ExecutionError> {
        let space = self.task(task, "list mappings")?.info.space;
        Ok(self.script.mappings.get(&space).cloned().unwrap_or_default())
    }

    fn set_sites(&mut self, sites: &[Site]) {
        self.sites = sites.to_vec();
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

    fn run(&mut self, direction: Direction) -> Result<Stop, ExecutionError> {
        let last = self.script.moments.len() - 1;
        let sites = self.sites.clone();
        let mut index = self.at;
        for passed in 0.. {
            let next = match direction {
                Direction::Forward => (index < last).then_some(index + 1),
                Direction::Backward => index.checked_sub(1),
            };
            let Some(next) = next else { break };
            self.pass("run", passed, next)?;
            index = next;
            if let Some(hit) = self.site_at(index, &sites) {
                return Ok(self.arrive(index, vec![StopReason::Site(hit.site)]));
            }
        }
        Ok(self.arrive(index, Vec::new()))
    }

    fn hits(
        &mut self,
        sites: &[Site],
        sink: &mut dyn FnMut(&Hit, &dyn Execution) -> ControlFlow<()>,
    ) -> Result<(), ExecutionError> {
        let before = self.at;
        let mut result = Ok(());
        for index in 0..self.script.moments.len() {
            result = self.pass("list hits", index, index);
            if result.is_err() {
                break;
            }
            self.at = index;
            if let Some(hit) = self.site_at(index, sites)
                && sink(&hit, self).is_break()
            {
                break;
            }
        }
        self.at = before;
        result
    }

    fn interrupter(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupt)
    }
}
