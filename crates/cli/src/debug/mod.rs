//! `retake debug`: the debugger at a terminal, or over a script.

mod junit;
mod pager;
mod prompt;
mod style;
mod terminal;
mod ticker;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use retake_debugger::{Debugger, default_reader};
use retake_execution::Execution;

use terminal::{End, Terminal};

/// How `retake debug` is called, apart from the recording.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct DebugArgs {
    /// Run the commands in this file first. The debugger begins at the start of the recording then
    #[arg(long, value_name = "FILE")]
    pub(crate) init: Option<PathBuf>,
    /// Show no prompt: run --init (or standard input) and leave; the first command that fails ends
    /// it with exit code 1
    #[arg(long)]
    pub(crate) batch: bool,
    /// Print one JSON object per command (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
    /// Write what each assert and expect came to into FILE, as JUnit's XML. Those that fail end nothing
    /// then; the exit code is 1 if one did
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Go here first, as `goto` does: failure, main, start, end, a position [default: the failure, else main,
    /// at a prompt; the start for scripts]
    #[arg(long, value_name = "MOMENT")]
    pub(crate) at: Option<String>,
    /// Go on with the session of this name, or start it
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    pub(crate) session: Option<String>,
    /// Go on with the session that was used last, at its position and with its breakpoints; `strict` does
    /// all of it again and compares
    #[arg(
        long,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "last"
    )]
    pub(crate) resume: Option<Resume>,
}

/// How a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Resume {
    /// Where it was.
    Last,
    /// Where it was, after all that led there was done again and found to be the same.
    Strict,
}

/// Debugs a recording until the user leaves.
pub(crate) fn run(args: &DebugArgs, recording: &Path, execution: Box<dyn Execution>) -> ExitCode {
    let debugger = Debugger::new(execution, default_reader(crate::home::cache()));
    // Without this, Ctrl-C ends the debugger; the session can be resumed then.
    let interrupter = debugger.interrupter();
    if let Err(err) = signal_hook::flag::register(signal_hook::consts::SIGINT, interrupter) {
        warn(&format_args!("Ctrl-C will end the debugger: {err}"));
    }
    match Terminal::new(debugger, args).run(recording) {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Failed(text)) => {
            warn(&text);
            ExitCode::FAILURE
        }
        // Whoever read our output went away, as `head` does.
        Err(End::Closed) => ExitCode::SUCCESS,
    }
}

/// Says something that is no result. Nothing can be done where that fails.
fn warn(text: &dyn Display) {
    let _ = writeln!(io::stderr(), "retake: {text}");
}
