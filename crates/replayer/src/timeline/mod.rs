//! A whole recording, and a moment in it.

mod backward;
mod beside;
mod chronicle;
mod ends;
mod events;
mod forward;
mod listing;
mod outputs;
mod passes;
mod places;
mod remembered;
mod scan;
mod scouts;
mod snapshots;
mod steps;
mod travel;

use std::cell::OnceCell;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use retake_execution::{
    CheckpointInfo, ClockRead, Direction, Diversion, ErrorKind, EventFilter, EventText, Execution,
    ExecutionError, FileBytes, FileInfo, Hit, Judge, KeptFiles, Look, Printed, ProgramEnd, RunPlan,
    Seen, Site, State, Stop, StopReason, SyscallName, TaskInfo, Watch,
};
use retake_model::{
    Addr, ContentHash, EventIndex, FileId, Mapping, Place, Position, Registers, TaskId, VectorState,
};
use retake_recording::{ExitStatus, Recording};

use crate::diversion::Divert;
use crate::failure::Failure;
use crate::live::LiveTask;
use crate::machine::Machine;
use crate::search::Control;
use crate::thread::ReplayThread;
use beside::Beside;
use outputs::OutputSearch;
use remembered::Remembered;
use snapshots::Snapshots;

/// A recording, restored and re-executed up to one moment. The thread that opens it must be the one
/// that uses it: it traces the replayed processes.
///
/// The first moment is the one after the first event, which makes the first task. The last one is
/// right before the program's end, while there is something to look at.
#[derive(Debug)]
pub struct Timeline {
    recording: Recording,
    thread: ReplayThread,
    /// How many intervals are gone through at the same time.
    at_once: usize,
    machine: Machine,
    position: Position,
    task: TaskId,
    snapshots: Snapshots,
    /// Of the last run backwards.
    remembered: Option<Remembered>,
    /// Of the run that goes on.
    watches: Vec<Watch>,
    start: Position,
    /// The event that the last moment comes before.
    last_moment: EventIndex,
    /// Once somebody has asked.
    all_tasks: OnceCell<Vec<TaskId>>,
    /// Searches for texts in the program's output, as far as they have come.
    outputs: Vec<OutputSearch>,
    /// What the program printed, as far as somebody has asked.
    printed: chronicle::Output,
    /// Once somebody has asked.
    clock_reads: OnceCell<Arc<[ClockRead]>>,
    /// Of the last file that was kept or used.
    kept: Option<Position>,
    /// The machine is not at `position`: something failed on the way.
    lost: bool,
    control: Control,
}

impl Timeline {
    /// Opens a recording at its start.
    ///
    /// # Errors
    /// When its first image cannot be restored.
    pub fn open(recording: Recording, control: Control) -> Result<Self, ExecutionError> {
        let thread = ReplayThread::start(&recording);
        let mut timeline = Self::nowhere(recording, control, thread, Snapshots::new());
        let trapped = timeline.thread.traps();
        let start = timeline.start;
        timeline.bring(start).map_err(|failure| failure.while_doing("open the recording"))?;
        drop(trapped);
        Ok(timeline)
    }

    /// The same, going through so many intervals at the same time where a search goes over several; without
    /// this as many as there are CPUs that will do.
    #[must_use]
    pub fn at_once(mut self, intervals: NonZeroUsize) -> Self {
        self.at_once = intervals.get();
        self
    }

    /// A timeline that has yet to be brought to a moment.
    fn nowhere(
        recording: Recording,
        control: Control,
        thread: ReplayThread,
        snapshots: Snapshots,
    ) -> Self {
        let start = Position::at_event(EventIndex::new(recording.event_count().get().min(1)));
        Self {
            machine: Machine::at_start(recording.clone(), control.clone(), &thread),
            position: start,
            task: TaskId::new(0),
            snapshots,
            remembered: None,
            watches: Vec::new(),
            start,
            last_moment: ends::last_moment(&recording),
            all_tasks: OnceCell::new(),
            outputs: Vec::new(),
            printed: chronicle::Output::default(),
            clock_reads: OnceCell::new(),
            kept: None,
            lost: true,
            control,
            at_once: thread.intervals_at_once(),
            thread,
            recording,
        }
    }

    /// What a search gave that left the moment alone. The request to stop that ended one is for that one only.
    fn searched<T>(&self, result: Result<T, ExecutionError>) -> Result<T, ExecutionError> {
        if result.as_ref().is_err_and(|err| matches!(err.kind(), ErrorKind::Interrupted)) {
            self.control.interrupt.store(false, Ordering::SeqCst);
        }
        result
    }

    fn live(&self, task: TaskId) -> Result<&LiveTask, ExecutionError> {
        self.machine.living(task).map_err(|failure| failure.while_doing("look at a task"))
    }
}

impl State for Timeline {
    fn position(&self) -> Position {
        self.position
    }

    fn current_task(&self) -> TaskId {
        self.task
    }

    fn tasks(&self) -> Vec<TaskInfo> {
        self.machine.infos()
    }

    fn registers(&self, task: TaskId) -> Result<Registers, ExecutionError> {
        let live = self.live(task)?;
        // Whoever runs has gone on since its last event; all others are as that left them.
        if task == self.task && self.position.place() != Place::Event {
            let registers = live.stopped.registers().map_err(Failure::from);
            let registers = registers.map_err(|failure| self.machine.explain(failure));
            return registers.map_err(|failure| failure.while_doing("read registers"));
        }
        Ok(live.registers)
    }

    fn program_registers(&self, task: TaskId) -> Result<Registers, ExecutionError> {
        let registers = self.registers(task)?;
        let mut read = |addr, out: &mut [u8]| self.read_memory(task, addr, out).is_ok();
        let site = retake_tracee::fast::call_site(&registers, &mut read);
        Ok(site.map_or(registers, |site| Registers { rip: site.get(), ..registers }))
    }

    fn vector_registers(&self, task: TaskId) -> Result<VectorState, ExecutionError> {
        let vector = self.live(task)?.stopped.vector().map_err(Failure::from);
        let vector = vector.map_err(|failure| self.machine.explain(failure));
        vector.map_err(|failure| failure.while_doing("read vector registers"))
    }

    fn read_some(&self, task: TaskId, addr: Addr, out: &mut [u8]) -> Result<usize, ExecutionError> {
        let read = self.machine.read_some(task, addr, out);
        read.map_err(|failure| failure.while_doing(format!("read memory at {addr}")))
    }

    fn mappings(&self, task: TaskId) -> Result<Vec<Mapping>, ExecutionError> {
        self.machine.mappings(task).map_err(|failure| failure.while_doing("look at mappings"))
    }
}

impl Execution for Timeline {
    fn event_count(&self) -> EventIndex {
        self.recording.event_count()
    }

    fn all_tasks(&self) -> Result<Vec<TaskId>, ExecutionError> {
        self.tasks_of_events()
    }

    fn checkpoints(&self) -> Vec<CheckpointInfo> {
        let info = |c: &retake_recording::CheckpointSummary| CheckpointInfo {
            index: c.index,
            event: c.event,
            run_time_ns: c.run_time_ns,
        };
        self.recording.checkpoints().iter().map(info).collect()
    }

    fn files(&self) -> Vec<FileInfo> {
        let info = |file: &retake_recording::FileEntry| FileInfo {
            file: file.id,
            path: String::from_utf8_lossy(&file.path).into_owned(),
        };
        self.recording.files().iter().map(info).collect()
    }

    fn started_ns(&self) -> Option<u64> {
        Some(self.recording.manifest().started_ns)
    }

    fn kept_files(&self) -> Arc<dyn KeptFiles> {
        Arc::new(Beside(self.recording.clone()))
    }

    fn file_bytes(&self, file: FileId) -> Result<FileBytes, ExecutionError> {
        let mapped = self.recording.map_file(file).map_err(Failure::from);
        let mapped = mapped.map_err(|err| err.while_doing(format!("read file {file}")))?;
        Ok(Arc::new(mapped))
    }

    fn file_hash(&self, file: FileId) -> Option<ContentHash> {
        let kept = self.recording.files().iter().find(|entry| entry.id == file)?;
        Some(ContentHash::from_hash(kept.hash))
    }

    fn describe_event(&self, event: EventIndex) -> Result<String, ExecutionError> {
        let found = self.recording.event(event).map_err(Failure::from);
        let found = found.map_err(|failure| failure.while_doing(format!("read event {event}")))?;
        Ok(crate::describe::describe_event(&found))
    }

    fn event_texts(
        &mut self,
        from: EventIndex,
        count: usize,
    ) -> Result<Vec<EventText>, ExecutionError> {
        let found = self.texts_of_events(from, count);
        let attempt = || format!("read the events from {from} on");
        self.searched(found.map_err(|failure| failure.while_doing(attempt())))
    }

    fn program_end(&self) -> Option<ProgramEnd> {
        let end = self.recording.manifest().end.as_ref()?;
        Some(match end.status {
            ExitStatus::Exited(code) => ProgramEnd::Exited(code),
            ExitStatus::Killed(signal) => ProgramEnd::Killed(signal),
        })
    }

    fn whole_run_time(&self) -> Option<u64> {
        self.recording.manifest().end.as_ref().map(|end| end.wall_ns)
    }

    fn clock_reads(&self) -> Result<Arc<[ClockRead]>, ExecutionError> {
        let reads = self.all_clock_reads();
        reads.map_err(|failure| failure.while_doing("look for clock reads"))
    }

    fn printed(&mut self, until: EventIndex) -> Result<Vec<Printed>, ExecutionError> {
        let printed = self.printed_before(until);
        self.searched(
            printed.map_err(|failure| failure.while_doing("read what the program printed")),
        )
    }

    fn find_event(
        &mut self,
        direction: Direction,
        from: EventIndex,
        kinds: &[EventFilter],
    ) -> Result<Option<EventIndex>, ExecutionError> {
        let found = self.find_next(direction, from, kinds);
        self.searched(found.map_err(|failure| failure.while_doing("look for events")))
    }

    fn syscall_names(&self) -> Vec<SyscallName> {
        let all = retake_abi::all();
        all.map(|call| SyscallName { no: call.no, name: call.name }).collect()
    }

    fn state(&self) -> &dyn State {
        self
    }

    fn seek(&mut self, to: Position) -> Result<Stop, ExecutionError> {
        let end = Position::at_event(self.event_count());
        let travel = |timeline: &mut Self| {
            if to == end {
                return timeline.last();
            }
            timeline.bring(to)?;
            Ok(timeline.stop(StopReason::Reached))
        };
        self.moving(travel).map_err(|failure| failure.while_doing(format!("go to {to}")))
    }

    fn seek_before(&mut self, event: EventIndex) -> Result<Stop, ExecutionError> {
        let stop = self.moving(|timeline| timeline.before_event(event));
        stop.map_err(|failure| failure.while_doing(format!("go to before event {event}")))
    }

    fn run(
        &mut self,
        plan: &RunPlan<'_>,
        judge: Option<&mut Judge<'_>>,
    ) -> Result<Stop, ExecutionError> {
        let stop = self.moving(|timeline| match (plan.steps, plan.direction) {
            (Some(steps), Direction::Forward) => timeline.step_forward(steps),
            (Some(steps), Direction::Backward) => timeline.step_backward(steps),
            (None, _) => timeline.run_watching(plan, judge),
        });
        stop.map_err(|failure| {
            failure.while_doing(match plan.direction {
                Direction::Forward => "run forwards",
                Direction::Backward => "run backwards",
            })
        })
    }

    fn hits(
        &mut self,
        sites: &[Site],
        skipped: u64,
        sink: &mut dyn FnMut(&Hit, &dyn State) -> ControlFlow<()>,
    ) -> Result<(), ExecutionError> {
        self.searched(self.list(sites, skipped, sink))
    }

    fn look_at_hits(
        &mut self,
        sites: &[Site],
        look: &Look<'_>,
        sink: &mut dyn FnMut(Hit, Seen) -> ControlFlow<()>,
    ) -> Result<(), ExecutionError> {
        self.searched(self.list_with(sites, look, sink))
    }

    fn count_hits(
        &mut self,
        sites: &[Site],
        until: Option<Position>,
    ) -> Result<u64, ExecutionError> {
        self.searched(self.count(sites, until))
    }

    fn divert(&mut self) -> Result<Box<dyn Diversion>, ExecutionError> {
        let (position, task) = (self.position, self.task);
        let diverted = self.moving(|timeline| {
            if timeline.lost {
                timeline.bring(position)?;
            }
            Divert::of(&mut timeline.machine, position, task)
        });
        let diverted = diverted.map_err(|failure| failure.while_doing("begin a diversion"))?;
        Ok(Box::new(diverted))
    }

    fn keep_place(&mut self, file: &Path) -> Result<bool, ExecutionError> {
        let kept = self.keep_here(file);
        kept.map_err(|failure| {
            failure.while_doing(format!("keep this place in {}", file.display()))
        })
    }

    fn use_places(&mut self, files: &[PathBuf]) {
        for file in files {
            self.use_place(file);
        }
    }

    fn interrupter(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.control.interrupt)
    }

    fn reached(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.control.reached)
    }
}
