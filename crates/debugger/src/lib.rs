//! Debugging a recording: breakpoints, hits over time, sessions and scripts.
//!
//! Principal types: [`Debugger`] runs one command at a time over any [`retake_execution::Execution`]
//! and gives plain data ([`Output`]); [`render`] turns that into text or JSON; [`Session`] is the
//! journal that brings a debugger back after a crash; [`run_script`] runs a file of commands.
//!
//! The caller supplies the execution, a [`CodeReader`] for names and lines, and a terminal. This
//! crate never prints, never reaches a process and never changes what is recorded.

mod breakpoint;
mod code;
mod commands;
mod debugger;
mod error;
pub mod expr;
mod history;
mod location;
mod output;
pub mod render;
mod script;
pub mod session;
#[cfg(test)]
mod tests;

pub use breakpoint::{Breakpoint, BreakpointId};
pub use code::{
    CallerFrame, Cfa, CodeFrame, CodeModule, CodePlace, CodeReader, FrameKind, FrameRule,
    FunctionCode, InlinedCode, Loaded, NoCode, PcKind, RawFrame, RuleSource, Saved, SourceLine,
    Statement, Trampoline, default_reader,
};
pub use commands::{CommandInfo, command_infos};
pub use debugger::Debugger;
pub use error::DebugError;
pub use output::{
    AssertView, BreakpointView, CheckpointView, FrameView, HelpView, HitView, HitsView, LineView,
    ListView, MemoryView, Output, PlaceView, RegisterView, ScriptStep, StopView, ThreadView,
    WhenView,
};
pub use script::{Outcome, run_script, script_lines};
pub use session::Session;
