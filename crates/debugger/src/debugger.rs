//! One debugger: an execution, its breakpoints, and what was selected.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use retake_execution::Execution;
use retake_model::{Addr, TaskId};

use crate::answers::PlaceView;
use crate::breakpoint::Breakpoints;
use crate::code::{Catalog, CodeReader};
use crate::history::History;
use crate::session::{SavedState, Session};
use crate::watches::Watches;
use crate::{Answer, DebugError, Request, RequestControl, handlers};

/// A debugger over an execution. It answers one request at a time; each is journalled first if a
/// session is attached.
pub struct Debugger {
    pub(crate) execution: Box<dyn Execution>,
    pub(crate) catalog: Catalog,
    pub(crate) breakpoints: Breakpoints,
    pub(crate) watches: Watches,
    /// The task that requests look at, if not the one that runs.
    pub(crate) selected: Option<TaskId>,
    pub(crate) history: History,
    session: Option<Session>,
}

impl Debugger {
    /// A debugger at the execution's current moment.
    pub fn new(execution: Box<dyn Execution>, reader: Box<dyn CodeReader>) -> Self {
        Self {
            execution,
            catalog: Catalog::new(reader),
            breakpoints: Breakpoints::default(),
            watches: Watches::default(),
            selected: None,
            history: History::default(),
            session: None,
        }
    }

    /// The execution.
    pub fn execution(&self) -> &dyn Execution {
        self.execution.as_ref()
    }

    /// Setting this ends the request that is running, if any, as [`RequestControl::cancel`] does:
    /// for whoever cannot know which request that is, such as the handler of a signal.
    pub fn interrupter(&self) -> Arc<AtomicBool> {
        self.execution.interrupter()
    }

    /// Journals every request from now on.
    pub fn attach(&mut self, session: Session) {
        self.session = Some(session);
    }

    /// Goes back to what a session was at.
    ///
    /// # Errors
    /// When the recording no longer has that moment, or cannot get there.
    pub fn restore(&mut self, state: &SavedState) -> Result<(), DebugError> {
        self.execution.seek(state.position)?;
        self.breakpoints = state.breakpoints.clone();
        self.watches = state.watches.clone();
        self.selected = state.selected;
        self.history = History::resumed(&state.hits_of);
        Ok(())
    }

    /// What a session keeps after each request.
    pub fn state(&self) -> SavedState {
        SavedState {
            position: self.execution.position(),
            task: self.execution.current_task(),
            selected: self.selected,
            breakpoints: self.breakpoints.clone(),
            watches: self.watches.clone(),
            hits_of: self.history.of().map_or_else(Vec::new, <[_]>::to_vec),
        }
    }

    /// What goes beside the next request.
    pub fn control(&self) -> RequestControl {
        RequestControl::new(self.execution.interrupter())
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// When it fails or is cancelled. The debugger can go on after that.
    pub fn run(
        &mut self,
        request: &Request,
        control: &RequestControl,
    ) -> Result<Answer, DebugError> {
        let Some(session) = &mut self.session else {
            return self.answer(request, control);
        };
        let begun = session.begin(request, control.line())?;
        let result = self.answer(request, control);
        let state = self.state();
        if let Some(session) = &mut self.session {
            session.end(begun, &state, &result)?;
        }
        result
    }

    fn answer(
        &mut self,
        request: &Request,
        control: &RequestControl,
    ) -> Result<Answer, DebugError> {
        let result = handlers::answer(self, request, control);
        control.over();
        result
    }

    /// The task that requests look at.
    pub(crate) fn task(&self) -> TaskId {
        self.selected.unwrap_or_else(|| self.execution.current_task())
    }

    /// Where a task is now.
    pub(crate) fn place_of(&self, task: TaskId) -> PlaceView {
        let execution = self.execution.as_ref();
        let registers = execution.program_registers(task);
        let pc = registers.map_or(Addr::NULL, |registers| registers.pc());
        PlaceView::new(pc, self.catalog.frames_at(execution, task, pc).first())
    }
}

impl fmt::Debug for Debugger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Debugger");
        out.field("state", &self.state()).field("session", &self.session).finish_non_exhaustive()
    }
}
