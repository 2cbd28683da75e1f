//! What a debugger answers: plain data that a front end shows as it likes.

mod breakpoints;
mod goroutines;
mod looking;
mod moments;
mod names;
mod page;
mod showing;
mod trace;
mod values;

use std::borrow::Cow;

use crate::requests::Substitution;
use crate::settings::Settings;
use crate::watches::WatchView;
use retake_values::Shown;
use serde::{Deserialize, Serialize};

pub use breakpoints::{BreakpointList, BreakpointPlace, BreakpointView, CatchView};
pub use goroutines::GoroutineView;
pub use looking::{
    FrameView, LineView, MemoryView, PlaceView, RegisterView, SourceView, ThreadView,
};
pub use moments::{CheckpointView, EventView, HitView, StopReason, StopView, WhenView};
pub use names::NamesView;
pub use page::Page;
pub use showing::{
    BookmarkView, CalledView, CodeView, DisplayView, InstructionView, PrintedView, StreamName,
};
pub use trace::{TraceLine, TraceValue, TraceView};
pub use values::{TypeField, TypeView, VariableView};

/// The answer to a [`crate::Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A breakpoint was set.
    Set(BreakpointView),
    /// A catch was set.
    CatchSet(CatchView),
    /// Breakpoints and catches that were removed.
    Cleared(BreakpointList),
    /// All breakpoints and catches.
    Breakpoints(BreakpointList),
    /// Watches.
    Watches(Vec<WatchView>),
    /// The end of a movement.
    Stop(StopView),
    /// Hits over the whole recording, in order.
    Hits(Page<HitView>),
    /// What was seen at a place, over the whole recording.
    Trace(TraceView),
    /// A stack, innermost frame first.
    Stack(Vec<FrameView>),
    /// The living tasks.
    Threads(Vec<ThreadView>),
    /// The task that was selected.
    Thread(ThreadView),
    /// The living goroutines.
    Goroutines(Vec<GoroutineView>),
    /// The goroutine that is selected now.
    Goroutine(GoroutineView),
    /// General registers.
    Registers(Vec<RegisterView>),
    /// Memory.
    Memory(MemoryView),
    /// Source text.
    Source(SourceView),
    /// The current moment.
    When(WhenView),
    /// All checkpoints.
    Checkpoints(Vec<CheckpointView>),
    /// The value of an expression.
    Value(#[serde(with = "crate::as_text")] i128),
    /// A value, as it looks.
    Shown(Shown),
    /// Variables.
    Variables(Vec<VariableView>),
    /// A type.
    Type(TypeView),
    /// Names.
    Names(NamesView),
    /// The assertion holds.
    Holds,
    /// What the program printed, in order.
    Output(Vec<PrintedView>),
    /// Events, in order.
    Events(Page<EventView>),
    /// The frame that is selected now.
    Frame(FrameView),
    /// Machine code.
    Code(CodeView),
    /// Displays.
    Displays(Vec<DisplayView>),
    /// Bookmarks.
    Bookmarks(Vec<BookmarkView>),
    /// A call of a function returned.
    Called(CalledView),
    /// Where sources are looked for.
    Substitutions(Vec<Substitution>),
    /// All settings of the front end.
    Settings(Settings),
}

impl Answer {
    /// The answer without the text of source files: those are not part of a recording, and may have changed.
    pub(crate) fn of_recording(&self) -> Cow<'_, Self> {
        match self {
            Self::Stop(stop) if stop.line.is_some() => {
                Cow::Owned(Self::Stop(StopView { line: None, ..stop.clone() }))
            }
            Self::Source(source) => {
                let lines = Vec::new();
                Cow::Owned(Self::Source(SourceView { lines, ..source.clone() }))
            }
            _ => Cow::Borrowed(self),
        }
    }
}
