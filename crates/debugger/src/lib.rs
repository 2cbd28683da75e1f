//! Debugging a recording: breakpoints, hits over time, expressions and sessions.
//!
//! Principal types: [`Debugger`] answers one [`Request`] at a time over any
//! [`retake_execution::Execution`], with an [`Answer`]; [`RequestControl`] cancels it and is told how
//! far it is; [`Session`] is the journal that brings a debugger back after a crash.
//!
//! Requests and answers are plain data. No front end needs anything else, and none has to read an
//! answer's text: the command language is the crate `console`, and an editor's protocol would stand
//! beside it. Only expressions and positions have a written form here, because a journal keeps
//! requests and people read journals: [`expr::parse`] and [`Location`]'s `FromStr`.
//!
//! To add an operation: its request in `requests/`, its answer in `answers/`, what it does in
//! `handlers/`, and a line in the list there.
//!
//! The caller supplies the execution and a [`CodeReader`] for names and lines. This crate never
//! prints, never reaches a process and never changes what is recorded.

mod answers;
mod as_text;
mod bookmarks;
mod breakpoint;
pub mod clock;
mod code;
mod completing;
mod control;
mod debugger;
mod displays;
mod error;
pub mod expr;
mod goroutine;
mod handlers;
mod history;
mod location;
mod names;
mod requests;
mod running;
pub mod session;
mod settings;
mod sources;
mod stepping;
#[cfg(test)]
mod tests;
mod variables;
mod watches;

pub use answers::{
    Answer, BookmarkView, BreakpointList, BreakpointPlace, BreakpointView, CalledView, CatchView,
    CheckpointView, CodeView, DisplayView, EventView, FrameView, GoroutineView, HitView,
    InstructionView, LineView, MemoryView, NamesView, Page, PlaceView, PrintedView, RegisterView,
    SourceView, StopReason, StopView, StreamName, ThreadView, TraceLine, TraceValue, TraceView,
    TypeField, TypeView, VariableView, WhenView,
};
pub use breakpoint::{
    Breakpoint, BreakpointId, CatchKind, Counted, HitCondition, HitNumbers, Lifetime, Place,
};
#[cfg(any(test, feature = "text-code"))]
pub use code::text::TextReader;
pub use code::{
    CallerFrame, Cfa, CodeFile, CodeFrame, CodeModule, CodePlace, CodeReader, FilesBeside,
    FrameKind, FrameRule, FunctionCode, InlinedCode, Loaded, NoCode, PcKind, RawFrame, RuleSource,
    Saved, SourceLine, Statement, Trampoline, default_reader, files_beside, sources_of,
};
pub use control::{Progress, ProgressSink, RequestControl, TraceSink};
pub use debugger::{Debugger, Places};
pub use error::DebugError;
pub use location::Location;
pub use names::closest;
pub use requests::{
    CallRequest, CallThreads, Chosen, Detail, DisassembleRequest, EventsRequest, FrameChoice,
    HandleSignal, HitValuesRequest, MemoryRange, Moment, NamesOf, NamesRequest, NewBookmark,
    NewBreakpoint, NewCondition, NewHitCondition, NewWatch, NumberText, OnHit, PageRequest,
    PrintRequest, Request, RunTo, Scope, Setting, SignalAction, SourceRequest, StepKind,
    StepRequest, Substitution, TraceRequest, VariablesRequest, Which,
};
pub use retake_values::{Field, Node, Role, Shown, Style};
pub use session::Session;
pub use settings::Settings;
pub use watches::{Access, WatchView};
