//! What a debugger can be asked: plain data, a family a file.
//!
//! Requests are kept in journals as JSON, so a variant's name and its fields are part of a format:
//! new fields have defaults, and names stay. Positions and expressions are written as text there.

mod breakpoints;
mod hits;
mod looking;
mod moving;
mod names;
mod showing;
mod trace;
mod values;

use retake_execution::Direction;
use retake_model::RegisterName;
use serde::{Deserialize, Serialize};

pub use breakpoints::{Chosen, NewBreakpoint, NewCondition, NewHitCondition};
pub use hits::PageRequest;
pub use looking::{MemoryRange, NewWatch, SourceRequest};
pub use moving::{Moment, RunTo, Scope, StepKind, StepRequest};
pub use names::{NamesOf, NamesRequest};
pub use showing::{
    CallRequest, CallThreads, DisassembleRequest, EventsRequest, FrameChoice, HandleSignal,
    NewBookmark, OnHit, Setting, SignalAction, Substitution,
};
pub use trace::TraceRequest;
pub use values::{Detail, HitValuesRequest, NumberText, PrintRequest, VariablesRequest, Which};

use crate::breakpoint::{BreakpointId, CatchKind};
use crate::expr::Expression;

/// One thing that a debugger can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Set a breakpoint.
    Break(NewBreakpoint),
    /// Change the condition of a breakpoint.
    Condition(NewCondition),
    /// Change at which of its hits a breakpoint stops.
    HitCondition(NewHitCondition),
    /// Take all conditions from a breakpoint.
    ClearConditions {
        /// Which one.
        breakpoint: BreakpointId,
    },
    /// Stop at events of a kind.
    Catch(CatchKind),
    /// Remove breakpoints and catches: all of them, or none if one does not exist.
    Clear(Chosen),
    /// List the breakpoints and catches.
    Breakpoints,
    /// Watch memory.
    Watch(NewWatch),
    /// List the watches.
    Watches,
    /// Remove a watch.
    ClearWatch {
        /// Its number.
        id: u32,
    },
    /// Go back to the last write to some memory.
    Last(MemoryRange),
    /// Run to the next hit in a direction, or to that end of the recording.
    Run {
        /// Which way.
        #[serde(with = "moving::DirectionText")]
        direction: Direction,
    },
    /// Run the selected task to a location, or to whatever ends a run before.
    RunTo(RunTo),
    /// Step the selected task.
    Step(StepRequest),
    /// Go to a moment.
    Seek(Moment),
    /// List every hit over the whole recording.
    Hits {
        /// Of which breakpoints.
        #[serde(default)]
        of: Chosen,
        /// Which part of the list is wanted.
        #[serde(default)]
        page: PageRequest,
    },
    /// Follow a place over the whole recording.
    Trace(TraceRequest),
    /// The stack of the selected task.
    Stack {
        /// Frames at most, inlined ones included.
        depth: usize,
        /// What is said of each.
        #[serde(default, skip_serializing_if = "Detail::is_places")]
        detail: Detail,
    },
    /// The tasks that live at this moment.
    Threads,
    /// Select the task that other requests look at, until the next movement.
    SelectThread {
        /// Its number in the recording, else its tid in the program.
        number: u32,
    },
    /// The goroutines that live at this moment.
    Goroutines,
    /// Select the goroutine that other requests look at, until the next movement; tell which one is selected, if
    /// none is said.
    SelectGoroutine {
        /// Its number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// General registers of the selected task.
    Registers {
        /// Which; all of them if empty.
        #[serde(default)]
        names: Vec<RegisterName>,
    },
    /// Memory of the selected task.
    Memory(MemoryRange),
    /// Source text.
    Source(SourceRequest),
    /// The current moment.
    When,
    /// All checkpoints of the recording.
    Checkpoints,
    /// The value of an expression, as an integer.
    Evaluate(Expression),
    /// The value of an expression, as it looks.
    Print(PrintRequest),
    /// Variables with their values.
    Variables(VariablesRequest),
    /// The type of an expression.
    WhatIs(PrintRequest),
    /// Names of what the program has.
    Names(NamesRequest),
    /// What expressions were at each hit.
    HitValues(HitValuesRequest),
    /// Fail unless an expression holds.
    Assert(Expression),
    /// Fail unless the program had printed a text until now.
    ExpectOutput(String),
    /// What the program had printed until now.
    Output,
    /// Some events, as strace shows them.
    Events(EventsRequest),
    /// Select the frame that other requests look at, until the next movement.
    SelectFrame(FrameChoice),
    /// Machine code.
    Disassemble(DisassembleRequest),
    /// Have a command run at the stops of a breakpoint.
    OnHit(OnHit),
    /// Say what runs do at a signal.
    Handle(HandleSignal),
    /// Show the value of an expression at every stop.
    Display(Expression),
    /// The displays with their values here.
    Displays,
    /// Remove a display.
    ClearDisplay {
        /// Its number.
        id: u32,
    },
    /// Give the current moment a name.
    Bookmark(NewBookmark),
    /// List the bookmarks.
    Bookmarks,
    /// Remove a bookmark.
    ClearBookmark {
        /// Its name.
        name: String,
    },
    /// Call a function of the program in a diversion.
    Call(CallRequest),
    /// Say where sources are now.
    Substitute(Substitution),
    /// Keep a setting of the front end.
    Configure(Setting),
}
