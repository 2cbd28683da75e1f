//! The debugger's command language: lines to requests, answers to text and JSON.
//!
//! Principal types: [`Console`] runs one line at a time over a [`retake_debugger::Debugger`] and
//! returns an [`Output`]; [`render`] turns that into text or JSON; [`commands`] is the one table of
//! commands, from which lines are parsed, `help` is written and [`complete`] completes.
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
pub mod render;
mod script;
#[cfg(test)]
mod tests;
mod views;

pub use commands::{Command, Words, commands};
pub use complete::{Completion, complete};
pub use console::Console;
pub use error::ConsoleError;
pub use output::{
    AssertView, BreakpointView, HelpView, HitsView, MemoryView, Output, ScriptStep, WhenView,
};
pub use script::{Outcome, script_lines};
