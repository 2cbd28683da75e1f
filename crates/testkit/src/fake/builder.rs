//! Writing the script of a fake recording.

use std::collections::BTreeMap;

use retake_execution::{Clock, ClockRead, EventFilter, ProgramEnd, TaskInfo};
use retake_model::{
    Addr, AddrRange, Backing, EventIndex, FileId, FileOffset, Mapping, Position, Protection,
    RegisterName, Registers, Signal, SpaceId, SyscallNo, TaskId, Tid,
};

use super::FakeExecution;
use super::moment::{FakeFile, FakeTask, Moment, Read, Script, Write};

/// Writes the script of a [`FakeExecution`].
///
/// It starts with task 1 (tid 101, address space 1) at event 0. Each [`Self::step`] is one arrival
/// of the running task; [`Self::event`] ends a stretch and says who runs next.
#[derive(Clone, Debug)]
pub struct FakeBuilder {
    script: Script,
    /// Arrivals at each pc since the last event.
    arrivals: BTreeMap<Addr, u64>,
}

impl Default for FakeBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeBuilder {
    /// A recording of one moment: its start.
    pub fn new() -> Self {
        let task = TaskId::new(1);
        let first = Moment {
            position: Position::START,
            task,
            tasks: BTreeMap::from([(task, new_task(1, 1))]),
            writes: 0,
        };
        let script = Script { moments: vec![first], checkpoints: vec![0], ..Script::default() };
        Self { script, arrivals: BTreeMap::new() }
    }

    /// Adds a file; files are numbered from 0.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.script.files.push(FakeFile { path: path.to_owned(), bytes: bytes.into() });
        self
    }

    /// Maps `len` bytes of file number `file`, from `offset`, executable at `start`.
    #[must_use]
    pub fn map_code(self, space: u32, start: u64, len: u64, file: u32, offset: u64) -> Self {
        let backing = Backing::File { file: FileId::new(file), offset: FileOffset::new(offset) };
        self.map(space, start, len, Protection::READ.union(Protection::EXEC), backing)
    }

    /// Maps `len` bytes of anonymous memory at `start`.
    #[must_use]
    pub fn map_data(self, space: u32, start: u64, len: u64) -> Self {
        let prot = Protection::READ.union(Protection::WRITE);
        self.map(space, start, len, prot, Backing::Anonymous)
    }

    fn map(mut self, space: u32, start: u64, len: u64, prot: Protection, backing: Backing) -> Self {
        if let Some(range) = AddrRange::with_len(Addr::new(start), len) {
            let all = self.script.mappings.entry(SpaceId::new(space)).or_default();
            all.push(Mapping { range, prot, backing, grows_down: false });
            all.sort_by_key(|mapping| mapping.range.start());
        }
        self
    }

    /// A task of number `task` and tid `100 + task` lives from this moment on.
    #[must_use]
    pub fn spawn(mut self, task: u32, space: u32) -> Self {
        self.edit(|moment| {
            moment.tasks.insert(TaskId::new(task), new_task(task, space));
        });
        self
    }

    /// A task is gone from this moment on.
    #[must_use]
    pub fn end_task(mut self, task: u32) -> Self {
        self.edit(|moment| {
            moment.tasks.remove(&TaskId::new(task));
        });
        self
    }

    /// Says in which system call a task waits from this moment on.
    #[must_use]
    pub fn waits_in(mut self, task: u32, call: Option<u32>) -> Self {
        self.edit(|moment| {
            if let Some(task) = moment.tasks.get_mut(&TaskId::new(task)) {
                task.info.in_syscall = call.map(SyscallNo::new);
            }
        });
        self
    }

    /// The running task arrives at `pc`.
    #[must_use]
    pub fn step(mut self, pc: u64) -> Self {
        let pc = Addr::new(pc);
        let nth = self.arrivals.entry(pc).or_insert(0);
        *nth += 1;
        let nth = *nth;
        if let Some(mut moment) = self.script.moments.last().cloned() {
            moment.position = Position::at_arrival(moment.position.event(), pc, nth);
            if let Some(task) = moment.tasks.get_mut(&moment.task) {
                task.registers.rip = pc.get();
            }
            self.script.moments.push(moment);
        }
        self
    }

    /// Several steps.
    #[must_use]
    pub fn steps(self, pcs: &[u64]) -> Self {
        pcs.iter().fold(self, |builder, &pc| builder.step(pc))
    }

    /// An event takes effect; `task` runs next.
    #[must_use]
    pub fn event(mut self, task: u32, what: &str) -> Self {
        self.arrivals.clear();
        self.script.events.push(what.to_owned());
        if let Some(mut moment) = self.script.moments.last().cloned() {
            moment.position = Position::at_event(moment.position.event().next());
            moment.task = TaskId::new(task);
            self.script.moments.push(moment);
        }
        self
    }

    /// The last event is of this kind, or writes this output.
    #[must_use]
    pub fn is(mut self, kind: EventFilter) -> Self {
        let event = self.current_event().get().saturating_sub(1);
        self.script.kinds.push((event, kind));
        self
    }

    /// A checkpoint at the event reached so far.
    #[must_use]
    pub fn checkpoint(mut self) -> Self {
        let event = self.current_event();
        self.script.checkpoints.push(event.get());
        self
    }

    /// A register of the running task has this value from this moment on.
    #[must_use]
    pub fn set(mut self, register: RegisterName, value: u64) -> Self {
        self.edit(|moment| {
            if let Some(task) = moment.tasks.get_mut(&moment.task) {
                task.registers.set(register, value);
            }
        });
        self
    }

    /// The running task's memory holds these bytes from this moment on.
    #[must_use]
    pub fn write(mut self, addr: u64, bytes: impl Into<Vec<u8>>) -> Self {
        if let Some(space) = self.space() {
            let write = Write { space, addr: Addr::new(addr), bytes: bytes.into() };
            self.script.writes.push(write);
            let writes = self.script.writes.len();
            self.edit(|moment| moment.writes = writes);
        }
        self
    }

    /// The running task has read these bytes right before this moment.
    #[must_use]
    pub fn reads(mut self, addr: u64, len: u64) -> Self {
        let moment = self.script.moments.len() - 1;
        if let Some(range) = AddrRange::with_len(Addr::new(addr), len)
            && let Some(space) = self.space()
        {
            self.script.reads.push(Read { moment, space, range });
        }
        self
    }

    /// Every movement over event number `event` (from 0) reports a divergence.
    #[must_use]
    pub fn diverge_at(mut self, event: u64) -> Self {
        self.script.diverges_at = Some(event);
        self
    }

    /// A signal ends the process at the end of the recording.
    #[must_use]
    pub fn fatal(mut self, signal: Signal) -> Self {
        self.script.fatal = Some(signal);
        self
    }

    /// The program ended like this.
    #[must_use]
    pub fn ends(mut self, end: ProgramEnd) -> Self {
        self.script.end = Some(end);
        self
    }

    /// The last event reads a clock.
    #[must_use]
    pub fn reads_clock(mut self, clock: Clock, ns: u64) -> Self {
        let event = EventIndex::new(self.current_event().get().saturating_sub(1));
        self.script.clock_reads.push(ClockRead { event, clock, ns });
        self
    }

    /// The recording, at its start.
    #[must_use]
    pub fn build(self) -> FakeExecution {
        FakeExecution::new(self.script)
    }

    fn current_event(&self) -> EventIndex {
        self.script.moments.last().map_or(EventIndex::ZERO, |moment| moment.position.event())
    }

    /// The address space of the running task.
    fn space(&self) -> Option<SpaceId> {
        let last = self.script.moments.last()?;
        last.tasks.get(&last.task).map(|task| task.info.space)
    }

    fn edit(&mut self, change: impl FnOnce(&mut Moment)) {
        if let Some(moment) = self.script.moments.last_mut() {
            change(moment);
        }
    }
}

fn new_task(task: u32, space: u32) -> FakeTask {
    let tid = Tid::new(i32::try_from(task).unwrap_or(0).saturating_add(100));
    let info = TaskInfo {
        task: TaskId::new(task),
        tid,
        pid: Tid::new(101),
        space: SpaceId::new(space),
        name: format!("task{task}"),
        in_syscall: None,
    };
    FakeTask { info, registers: Registers::default() }
}
