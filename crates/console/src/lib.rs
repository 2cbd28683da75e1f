//! The debugger's command language: lines to requests, answers to text and JSON.
//!
//! Principal types: [`Console`] runs one line at a time over a [`retake_debugger::Debugger`] and
//! returns an [`Output`]; [`render`] turns that into text or JSON; [`commands`] is the one table of
//! commands, from which lines are parsed, `help` is written and [`Console::complete`] completes.
//!
//! The language is one front end of the debugger: each line becomes a typed request, and whatever
//! else asks for the same thing sends the same request. Expressions and locations are parsed by the
//! debugger, because a session's journal keeps them as text, too. Only `source`, `help` and `exit`
//! are the console's own.
//!
//! The caller supplies the debugger and a terminal. This crate never prints.

mod asked;
mod commands;
mod complete;
mod console;
mod error;
mod output;
mod points;
pub mod render;
mod script;
mod settings;
#[cfg(test)]
mod tests;
mod transcript;
mod views;

pub use commands::{Command, Words, commands};
pub use complete::Completion;
pub use console::{Console, Failures};
pub use error::ConsoleError;
pub use output::{
    AssertView, BreakpointView, ExpectView, FailedView, HelpView, HitsView, MemoryView, Output,
    RanView, ScriptStep, SettingView, StopOutput, TranscriptView, WhenView,
};
pub use script::{Outcome, ScriptRunner, script_lines};
