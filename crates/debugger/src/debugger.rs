//! One debugger: an execution, its breakpoints, and what was selected.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use retake_execution::{Direction, Execution, Stop, StopReason};
use retake_model::{Addr, Position, TaskId};

use crate::breakpoint::{BreakpointId, Breakpoints, SiteTable};
use crate::code::{Catalog, CodeFrame, CodeReader, file_at};
use crate::history::{PastHit, all_hits};
use crate::output::{PlaceView, StopView};
use crate::session::{SavedState, Session};
use crate::{DebugError, Output, commands};

/// A debugger over an execution. It runs one command at a time; each is journalled first if a
/// session is attached.
#[derive(Debug)]
pub struct Debugger<E> {
    pub(crate) execution: E,
    pub(crate) catalog: Catalog,
    pub(crate) breakpoints: Breakpoints,
    /// The task that commands look at, if not the one that runs.
    pub(crate) selected: Option<TaskId>,
    pub(crate) last_hits: Option<LastHits>,
    counts: BTreeMap<BreakpointId, usize>,
    session: Option<Session>,
    /// How many scripts are running inside each other.
    pub(crate) depth: usize,
}

/// The last list of hits.
#[derive(Clone, Debug)]
pub(crate) struct LastHits {
    /// Of which breakpoints.
    pub(crate) of: Vec<BreakpointId>,
    /// Not known after a resume, until somebody asks.
    pub(crate) positions: Option<Vec<Position>>,
}

impl<E: Execution> Debugger<E> {
    /// A debugger at the execution's current moment.
    pub fn new(execution: E, reader: Box<dyn CodeReader>) -> Self {
        Self {
            execution,
            catalog: Catalog::new(reader),
            breakpoints: Breakpoints::default(),
            selected: None,
            last_hits: None,
            counts: BTreeMap::new(),
            session: None,
            depth: 0,
        }
    }

    /// The execution.
    pub fn execution(&self) -> &E {
        &self.execution
    }

    /// Journals every command from now on.
    pub fn attach(&mut self, session: Session) {
        self.session = Some(session);
    }

    /// Goes back to what a session was at.
    ///
    /// # Errors
    /// When the recording no longer has that moment, or cannot get there.
    pub fn restore(&mut self, state: &SavedState) -> Result<(), DebugError> {
        let position = state.position.parse::<Position>();
        let position = position.map_err(|err| DebugError::NotFound(err.to_string()))?;
        self.execution.seek(position)?;
        self.breakpoints = state.breakpoints.clone();
        self.selected = state.selected;
        self.last_hits = (!state.hits_of.is_empty())
            .then(|| LastHits { of: state.hits_of.clone(), positions: None });
        Ok(())
    }

    /// What a session keeps after each command.
    pub fn state(&self) -> SavedState {
        SavedState {
            position: self.execution.position().to_string(),
            task: self.execution.current_task(),
            selected: self.selected,
            breakpoints: self.breakpoints.clone(),
            hits_of: self.last_hits.as_ref().map_or_else(Vec::new, |last| last.of.clone()),
        }
    }

    /// Runs one command line.
    ///
    /// # Errors
    /// When there is no such command or it fails. The debugger can go on after that.
    pub fn execute(&mut self, line: &str) -> Result<Output, DebugError> {
        let line = line.trim();
        let (name, args) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let command =
            commands::find::<E>(name).ok_or_else(|| DebugError::UnknownCommand(name.to_owned()))?;
        self.execution.interrupter().store(false, Ordering::SeqCst);
        let Some(session) = &mut self.session else {
            return (command.run)(self, args.trim());
        };
        let begun = session.begin(line)?;
        let result = (command.run)(self, args.trim());
        let state = self.state();
        if let Some(session) = &mut self.session {
            let text = match &result {
                Ok(output) => crate::render::json(output),
                Err(err) => err.to_string(),
            };
            session.end(begun, &state, &text)?;
        }
        result
    }

    /// The task that commands look at.
    pub(crate) fn task(&self) -> TaskId {
        self.selected.unwrap_or_else(|| self.execution.current_task())
    }

    /// Runs to the next hit in a direction.
    pub(crate) fn run(&mut self, direction: Direction) -> Result<Output, DebugError> {
        let table = SiteTable::new(self.breakpoints.all());
        self.execution.set_sites(table.sites());
        let stop = self.execution.run(direction)?;
        Ok(self.stopped(&stop))
    }

    /// Goes to a moment.
    pub(crate) fn seek(&mut self, to: Position) -> Result<Output, DebugError> {
        let stop = self.execution.seek(to)?;
        Ok(self.stopped(&stop))
    }

    fn stopped(&mut self, stop: &Stop) -> Output {
        self.selected = None;
        let place = self.place_of(stop.task);
        let hit = stop.reasons.iter().any(|reason| matches!(reason, StopReason::Site(_)));
        let breakpoints = if hit {
            let code = file_at(&self.execution, stop.task, place.pc);
            SiteTable::new(self.breakpoints.all()).breakpoints(place.pc, code)
        } else {
            Vec::new()
        };
        let reason = |reason: &StopReason| match reason {
            StopReason::Reached => "reached".to_owned(),
            StopReason::Site(_) => "breakpoint".to_owned(),
            StopReason::Start => "start".to_owned(),
            StopReason::End => "end".to_owned(),
            StopReason::Fatal(signal) => signal.to_string(),
        };
        Output::Stop(StopView {
            position: stop.position.to_string(),
            task: stop.task,
            place,
            reasons: stop.reasons.iter().map(reason).collect(),
            breakpoints,
        })
    }

    /// Where a task is now.
    pub(crate) fn place_of(&self, task: TaskId) -> PlaceView {
        let registers = self.execution.program_registers(task);
        let pc = registers.map_or(Addr::NULL, |registers| registers.pc());
        let frames = self.catalog.frames_at(&self.execution, task, pc);
        place_view(pc, frames.first())
    }

    /// Every hit of some breakpoints, or of all of them.
    pub(crate) fn hits(&mut self, of: &[BreakpointId]) -> Result<Vec<PastHit>, DebugError> {
        let mut chosen = Vec::new();
        for &id in of {
            chosen.push(self.breakpoints.get(id)?.clone());
        }
        let found = all_hits(&mut self.execution, &chosen)?;
        for &id in of {
            let count = found.iter().filter(|hit| hit.breakpoints.contains(&id)).count();
            self.counts.insert(id, count);
        }
        Ok(found)
    }

    /// How often a breakpoint is hit over the whole recording.
    pub(crate) fn hit_count(&mut self, id: BreakpointId) -> Result<usize, DebugError> {
        self.breakpoints.get(id)?;
        if let Some(&count) = self.counts.get(&id) {
            return Ok(count);
        }
        Ok(self.hits(&[id])?.len())
    }

    /// The numbers of all breakpoints.
    pub(crate) fn breakpoint_ids(&self) -> Result<Vec<BreakpointId>, DebugError> {
        let all: Vec<_> = self.breakpoints.all().iter().map(|breakpoint| breakpoint.id).collect();
        if all.is_empty() {
            return Err(DebugError::NotFound("there are no breakpoints".to_owned()));
        }
        Ok(all)
    }
}

/// A place for people.
pub(crate) fn place_view(pc: Addr, frame: Option<&CodeFrame>) -> PlaceView {
    PlaceView {
        pc,
        function: frame.and_then(|frame| frame.function.clone()),
        source: frame.and_then(|frame| frame.source.clone()),
    }
}
