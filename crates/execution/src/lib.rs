//! Traits between what replays a recording and what debugs it.
//!
//! [`Execution`] is one recording with a moment in it: it can be asked for the [`State`] at that moment
//! (tasks, registers, memory, mappings), moved to another [`Position`], and run forwards or backwards as a
//! [`RunPlan`] says: to places and accesses of memory, or by so many instructions. The replayer implements it over real processes; a fake stands in for tests.
//!
//! This crate holds no logic but what both sides have to agree on. An implementation never changes a recording, and reports a replay that
//! differs from it as [`ErrorKind::Divergence`] rather than going on.

mod chronicle;
mod diversion;
mod error;
mod events;
mod kept;
mod pieces;
mod plan;
mod site;
mod stop;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use retake_model::{
    Addr, CheckpointIndex, ContentHash, EventIndex, FileId, Mapping, Position, Registers, SpaceId,
    SyscallNo, TaskId, Tid, VectorState,
};

pub use chronicle::{Clock, ClockRead, EventText, Printed, ProgramEnd};
pub use diversion::{Company, Diversion, Diverted, Go, StandardStream};
pub use error::{Divergence, ErrorKind, ExecutionError};
pub use events::{EventFilter, SyscallName};
pub use kept::{KeptFiles, NoFiles};
pub use pieces::{DEBUG_REGISTERS, register_pieces};
pub use plan::{Access, Judge, RunPlan, SignalSet, Steps, Verdict, Watch, WatchId};
pub use site::{Hit, Look, Seen, Site, SiteId, SiteTarget};
pub use stop::{Stop, StopReason};

/// The bytes of a mapped file, shared between whoever reads them.
pub type FileBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Which way to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the end of the recording.
    Forward,
    /// Towards its start.
    Backward,
}

/// A task as it is at the current position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskInfo {
    /// Which one.
    pub task: TaskId,
    /// Its number in the program's eyes.
    pub tid: Tid,
    /// Its process (thread group) in the program's eyes.
    pub pid: Tid,
    /// Its address space.
    pub space: SpaceId,
    /// Its name (`comm`), for people.
    pub name: String,
    /// The system call it is waiting in, if any.
    pub in_syscall: Option<SyscallNo>,
}

/// A file that was mapped at some time of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Which one.
    pub file: FileId,
    /// Its path when it was recorded, for people.
    pub path: String,
}

/// A checkpoint of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// Which one.
    pub index: CheckpointIndex,
    /// How many events had taken effect.
    pub event: EventIndex,
    /// Run time of the program up to there, in nanoseconds.
    pub run_time_ns: u64,
}

/// The state of the recorded program at one moment. Looking changes nothing.
pub trait State {
    /// The current moment.
    fn position(&self) -> Position;

    /// The task that runs at this moment.
    fn current_task(&self) -> TaskId;

    /// Every living task, in ascending order.
    fn tasks(&self) -> Vec<TaskInfo>;

    /// General registers of a task.
    ///
    /// # Errors
    /// When the task does not exist at this moment.
    fn registers(&self, task: TaskId) -> Result<Registers, ExecutionError>;

    /// The registers with which the program's own code goes on. They differ from [`Self::registers`] only
    /// where the task stands in code that the recorder has added.
    ///
    /// # Errors
    /// As [`Self::registers`].
    fn program_registers(&self, task: TaskId) -> Result<Registers, ExecutionError> {
        self.registers(task)
    }

    /// Vector registers of a task.
    ///
    /// # Errors
    /// As [`Self::registers`].
    fn vector_registers(&self, task: TaskId) -> Result<VectorState, ExecutionError>;

    /// Fills `out` from the memory of `task`, without any trace of installed sites, up to the first byte that
    /// is not mapped; says how many bytes that are.
    ///
    /// # Errors
    /// When the task does not exist at this moment.
    fn read_some(&self, task: TaskId, addr: Addr, out: &mut [u8]) -> Result<usize, ExecutionError>;

    /// Fills all of `out` from the memory of `task`.
    ///
    /// # Errors
    /// When the task does not exist or part of the range is not mapped.
    fn read_memory(&self, task: TaskId, addr: Addr, out: &mut [u8]) -> Result<(), ExecutionError> {
        let got = self.read_some(task, addr, out)?;
        if got == out.len() {
            return Ok(());
        }
        let (attempt, missing) = (format!("read memory at {addr}"), addr.get() + got as u64);
        let what = format!("nothing is mapped at {}", Addr::new(missing));
        Err(ExecutionError::new(attempt, ErrorKind::NotFound(what)))
    }

    /// The mappings of `task`'s address space, in ascending order.
    ///
    /// # Errors
    /// When the task does not exist at this moment.
    fn mappings(&self, task: TaskId) -> Result<Vec<Mapping>, ExecutionError>;
}

/// One recording, and a moment in it.
pub trait Execution: State {
    /// How many events the recording holds.
    fn event_count(&self) -> EventIndex;

    /// Every task that lives at any time, in ascending order.
    ///
    /// # Errors
    /// When the recording cannot be read.
    fn all_tasks(&self) -> Result<Vec<TaskId>, ExecutionError>;

    /// All checkpoints, in ascending order.
    fn checkpoints(&self) -> Vec<CheckpointInfo>;

    /// Every file that was mapped at any time.
    fn files(&self) -> Vec<FileInfo>;

    /// When the recording began, in nanoseconds since 1970, if that is known.
    fn started_ns(&self) -> Option<u64> {
        None
    }

    /// Files that lay beside the program when it was recorded.
    fn kept_files(&self) -> Arc<dyn KeptFiles> {
        Arc::new(NoFiles)
    }

    /// The bytes that `file` had when it was recorded.
    ///
    /// # Errors
    /// When the recording does not hold them (damaged).
    fn file_bytes(&self, file: FileId) -> Result<FileBytes, ExecutionError>;

    /// The hash of those bytes, if the recording knows it.
    fn file_hash(&self, _file: FileId) -> Option<ContentHash> {
        None
    }

    /// One line that says what event `event` is.
    ///
    /// # Errors
    /// When there is no such event.
    fn describe_event(&self, event: EventIndex) -> Result<String, ExecutionError>;

    /// Up to `count` events from number `from` on, each with what its arguments pointed to. Needs a replay of
    /// that stretch; the current position stays what it is.
    ///
    /// # Errors
    /// When there is no such event, or the replay fails or is interrupted.
    fn event_texts(
        &mut self,
        from: EventIndex,
        count: usize,
    ) -> Result<Vec<EventText>, ExecutionError>;

    /// How the first process ended; nothing where the recording breaks off before that.
    fn program_end(&self) -> Option<ProgramEnd>;

    /// The run time of the whole recording in nanoseconds; nothing where it breaks off.
    fn whole_run_time(&self) -> Option<u64>;

    /// Every clock read of the program, in order.
    ///
    /// # Errors
    /// When the recording cannot be read.
    fn clock_reads(&self) -> Result<Arc<[ClockRead]>, ExecutionError>;

    /// What the program printed by events before number `until`, in order. Needs a replay up to there; the
    /// current position stays what it is.
    ///
    /// # Errors
    /// When the replay fails or is interrupted.
    fn printed(&mut self, until: EventIndex) -> Result<Vec<Printed>, ExecutionError>;

    /// The next event of one of some kinds: forwards the first from number `from` on, backwards the last
    /// before that. Events that no moment lies before or behind are none.
    ///
    /// # Errors
    /// When the recording cannot be read, or a replay that is needed for it fails or is interrupted.
    fn find_event(
        &mut self,
        direction: Direction,
        from: EventIndex,
        kinds: &[EventFilter],
    ) -> Result<Option<EventIndex>, ExecutionError>;

    /// The names of system calls, as programs for this machine know them.
    fn syscall_names(&self) -> Vec<SyscallName>;

    /// The state at the current moment.
    fn state(&self) -> &dyn State;

    /// Goes to `to`.
    ///
    /// # Errors
    /// When there is no such moment, or the replay diverges.
    fn seek(&mut self, to: Position) -> Result<Stop, ExecutionError>;

    /// Goes to right before an event takes effect: its task has executed all that it does before it.
    ///
    /// # Errors
    /// As [`Self::seek`].
    fn seek_before(&mut self, event: EventIndex) -> Result<Stop, ExecutionError>;

    /// Runs as planned, or to the end or start of the recording. Where the plan has sites, `judge` is asked of
    /// each arrival for which their predicates hold.
    ///
    /// # Errors
    /// When the replay diverges or is interrupted; the position stays what it was before.
    fn run(
        &mut self,
        plan: &RunPlan<'_>,
        judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, ExecutionError>;

    /// Gives the hits of `sites` over the whole recording, in order and without the first `skipped`, to
    /// `sink` until that breaks off. The current position stays what it is.
    ///
    /// # Errors
    /// When the replay diverges or is interrupted.
    fn hits(
        &mut self,
        sites: &[Site],
        skipped: u64,
        sink: &mut dyn FnMut(&Hit, &dyn State) -> ControlFlow<()>,
    ) -> Result<(), ExecutionError>;

    /// Gives all of them, with what `look` sees at each hit. An implementation may go through several stretches of the
    /// recording at the same time: `look` is asked on any thread and in any order then, also at hits
    /// after the one at which `sink` breaks off.
    ///
    /// # Errors
    /// When the replay diverges or is interrupted.
    fn look_at_hits(
        &mut self,
        sites: &[Site],
        look: &Look<'_>,
        sink: &mut dyn FnMut(Hit, Seen) -> ControlFlow<()>,
    ) -> Result<(), ExecutionError> {
        self.hits(sites, 0, &mut |hit, now| sink(*hit, look(hit, now)))
    }

    /// How many hits of `sites` there are before `until`, or over the whole recording. The current position
    /// stays what it is.
    ///
    /// # Errors
    /// When the replay diverges or is interrupted.
    fn count_hits(
        &mut self,
        sites: &[Site],
        until: Option<Position>,
    ) -> Result<u64, ExecutionError>;

    /// A throw-away copy of everything at the current moment, which stays what it is.
    ///
    /// # Errors
    /// When the processes cannot be copied.
    fn divert(&mut self) -> Result<Box<dyn Diversion>, ExecutionError>;

    /// Keeps what is needed to be back at this moment soon, in a file, unless the last file that was kept or
    /// used does that. Says whether one was written.
    ///
    /// # Errors
    /// When it cannot be written, or the processes cannot be read.
    fn keep_place(&mut self, _file: &Path) -> Result<bool, ExecutionError> {
        Ok(false)
    }

    /// Uses files that were kept. One that is damaged, or of another recording, is as good as none.
    fn use_places(&mut self, _files: &[PathBuf]) {}

    /// Setting this ends a running operation with [`ErrorKind::Interrupted`]; the position stays what it was
    /// before.
    fn interrupter(&self) -> Arc<AtomicBool>;

    /// The number of the event that a running operation has come to: for whoever says how far it is.
    fn reached(&self) -> Arc<AtomicU64>;
}
