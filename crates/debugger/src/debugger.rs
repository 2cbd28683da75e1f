//! One debugger: an execution, its breakpoints, and what was selected.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use retake_execution::Execution;
use retake_model::{Addr, TaskId};

use crate::answers::PlaceView;
use crate::bookmarks::Bookmarks;
use crate::breakpoint::Breakpoints;
use crate::code::{Catalog, CodeReader};
use crate::displays::Displays;
use crate::goroutine::Parked;
use crate::handlers::Chosen;
use crate::history::History;
use crate::session::{SavedState, Session};
use crate::settings::Settings;
use crate::sources::Sources;
use crate::watches::Watches;
use crate::{Answer, BreakpointId, DebugError, Request, RequestControl, handlers};

/// A debugger over an execution. It answers one request at a time; each is journalled first if a
/// session is attached.
pub struct Debugger {
    pub(crate) execution: Box<dyn Execution>,
    pub(crate) catalog: Catalog,
    pub(crate) breakpoints: Breakpoints,
    pub(crate) watches: Watches,
    /// The task that requests look at, if not the one that runs.
    pub(crate) selected: Option<TaskId>,
    /// The goroutine that requests look at, if it is on no thread.
    pub(crate) parked: Option<Parked>,
    /// Which of its frames, from the innermost one.
    pub(crate) frame: usize,
    pub(crate) displays: Displays,
    pub(crate) bookmarks: Bookmarks,
    pub(crate) sources: Sources,
    pub(crate) settings: Settings,
    pub(crate) history: History,
    /// What indirect functions lead to, as far as somebody asked.
    pub(crate) chosen: Vec<Chosen>,
    session: Option<Session>,
    places: Places,
}

/// Whether a session keeps what brings it back soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Places {
    /// It comes back over the nearest checkpoint of the recording.
    #[default]
    NotKept,
    /// It keeps the places it moves to, in the recording's `index/`.
    Kept,
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
            parked: None,
            frame: 0,
            displays: Displays::default(),
            bookmarks: Bookmarks::default(),
            sources: Sources::default(),
            settings: Settings::default(),
            history: History::default(),
            chosen: Vec::new(),
            session: None,
            places: Places::NotKept,
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

    /// Why the session is not written at this time, if there is one and it is not.
    pub fn session_trouble(&self) -> Option<String> {
        self.session.as_ref()?.trouble().map(ToString::to_string)
    }

    /// Says whether the session keeps places.
    pub fn keep_places(&mut self, places: Places) {
        self.places = places;
    }

    /// Goes back to what a session was at, by way of the places that it has kept.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub fn resume(&mut self, session: &Session, state: &SavedState) -> Result<(), DebugError> {
        self.execution.use_places(&session.places());
        self.restore(state)
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
        self.parked = handlers::parked(self, state.goroutine);
        self.frame = state.frame;
        self.displays = state.displays.clone();
        self.bookmarks = state.bookmarks.clone();
        self.sources = state.sources.clone();
        self.settings = state.settings.clone();
        self.history = History::resumed(&state.hits_of);
        Ok(())
    }

    /// What a session keeps after each request.
    pub fn state(&self) -> SavedState {
        SavedState {
            position: self.execution.position(),
            task: self.execution.current_task(),
            selected: self.selected,
            goroutine: self.parked.map(|parked| parked.id),
            frame: self.frame,
            displays: self.displays.clone(),
            bookmarks: self.bookmarks.clone(),
            sources: self.sources.clone(),
            settings: self.settings.clone(),
            breakpoints: self.breakpoints.clone(),
            watches: self.watches.clone(),
            hits_of: self.history.of().map_or_else(Vec::new, <[_]>::to_vec),
        }
    }

    /// The breakpoint of a name.
    pub fn breakpoint_named(&self, name: &str) -> Option<BreakpointId> {
        let named = self.breakpoints.all().iter();
        named.filter(|one| one.name.as_deref() == Some(name)).map(|one| one.id).next()
    }

    /// What the front end keeps with the session.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How much of the run lies before this moment, in thousandths, if that is known.
    pub fn share_of_run(&self) -> Option<u32> {
        handlers::share_of_run(self)
    }

    /// What front ends are to run at a stop of a breakpoint.
    pub fn commands_at(&self, breakpoint: BreakpointId) -> Vec<String> {
        self.breakpoints.get(breakpoint).map_or_else(|_| Vec::new(), |one| one.commands.clone())
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
        self.keep_place();
        let state = self.state();
        if let Some(session) = &mut self.session {
            session.end(begun, &state, &result)?;
        }
        result
    }

    /// Keeps the place that a request led to. That fails on a full disk, and costs time later.
    fn keep_place(&mut self) {
        let Some(session) = self.session.as_mut().filter(|_| self.places == Places::Kept) else {
            return;
        };
        if matches!(self.execution.keep_place(&session.next_place()), Ok(true)) {
            session.place_kept();
        }
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
