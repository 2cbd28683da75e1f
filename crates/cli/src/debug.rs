//! `retake debug`: the debugger at a terminal, or over a script.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use retake_console::{Console, ConsoleError, Outcome, Output, render, script_lines};
use retake_debugger::{DebugError, Debugger, Session, TraceLine, TraceSink, default_reader};
use retake_execution::Execution;

use crate::progress;
use crate::prompt::{Line, Prompt};

/// How `retake debug` is called, apart from the recording.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct DebugArgs {
    /// Run the commands in this file first.
    #[arg(long, value_name = "FILE")]
    pub(crate) init: Option<PathBuf>,
    /// Show no prompt: run --init (or standard input) and leave; the first command that fails ends
    /// it with exit code 1.
    #[arg(long)]
    pub(crate) batch: bool,
    /// Print one JSON object per command.
    #[arg(long)]
    pub(crate) json: bool,
    /// Go on with the last session of this recording, at its position and with its breakpoints.
    #[arg(long)]
    pub(crate) resume: bool,
}

/// Debugs a recording until the user leaves.
pub(crate) fn run(args: &DebugArgs, recording: &Path, execution: Box<dyn Execution>) -> ExitCode {
    let debugger = Debugger::new(execution, default_reader());
    // Without this, Ctrl-C ends the debugger; the session can be resumed then.
    let interrupter = debugger.interrupter();
    if let Err(err) = signal_hook::flag::register(signal_hook::consts::SIGINT, interrupter) {
        warn(&format_args!("Ctrl-C will end the debugger: {err}"));
    }
    let mut console = Console::new(debugger).with_progress(progress::of_requests());
    if !args.json {
        console = console.with_trace(Arc::new(PrintedTrace));
    }
    let mut terminal = Terminal { console, args };
    let end = match terminal.open_session(recording) {
        Ok(()) => terminal.run(recording),
        Err(err) => Err(err),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Failed(text)) => {
            let _ = writeln!(io::stderr(), "retake: {text}");
            ExitCode::FAILURE
        }
        // Whoever read our output went away, as `head` does.
        Err(End::Closed) => ExitCode::SUCCESS,
    }
}

/// Prints what a trace sees, a line each, as it is found.
struct PrintedTrace;

impl TraceSink for PrintedTrace {
    fn line(&self, line: &TraceLine) -> ControlFlow<()> {
        // Whoever read this went away: the next output says so.
        match writeln!(io::stdout().lock(), "{}", render::trace_line(line)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// Why the debugger ends early.
enum End {
    Failed(String),
    Closed,
}

impl From<DebugError> for End {
    fn from(err: DebugError) -> Self {
        Self::Failed(err.to_string())
    }
}

/// A console, and where its lines come from and its outputs go.
struct Terminal<'a> {
    console: Console,
    args: &'a DebugArgs,
}

impl Terminal<'_> {
    fn open_session(&mut self, recording: &Path) -> Result<(), End> {
        let debugger = self.console.debugger_mut();
        if !self.args.resume {
            match Session::create(recording) {
                Ok(session) => debugger.attach(session),
                // A recording on a read-only disk can be debugged too.
                Err(err) => warn(&format_args!("this session cannot be resumed later: {err}")),
            }
            return Ok(());
        }
        let (session, resumed) = Session::resume(recording).map_err(DebugError::from)?;
        if let Some(state) = &resumed.state {
            debugger.restore(state)?;
        }
        let (name, count) = (session.name(), resumed.completed);
        let position = debugger.execution().position();
        warn(&format_args!("session {name} goes on at {position}, after {count} commands"));
        for command in &resumed.interrupted {
            warn(&format_args!("not completed, and not applied: {command}"));
        }
        debugger.attach(session);
        Ok(())
    }

    fn run(&mut self, recording: &Path) -> Result<(), End> {
        if let Some(init) = &self.args.init {
            match self.script(init) {
                Ok(Outcome::Exit) => return Ok(()),
                Err(End::Failed(text)) if !self.args.batch => warn(&text),
                Err(end) => return Err(end),
                Ok(Outcome::Done) => {}
            }
        }
        match (self.args.batch, &self.args.init) {
            (true, Some(_)) => Ok(()),
            (true, None) => self.standard_input(),
            (false, _) if io::stdin().is_terminal() => self.prompt(recording),
            (false, _) => self.standard_input(),
        }
    }

    fn script(&mut self, file: &Path) -> Result<Outcome, End> {
        let json = self.args.json;
        let mut shown = Ok(());
        let result = self.console.run_script(file, &mut |_, command, output| {
            if shown.is_ok() {
                shown = show(json, command, &Ok(output.clone()));
            }
        });
        shown?;
        result.map_err(|err| self.failed(err))
    }

    /// The commands of a pipe or file at standard input, each run as soon as it is there.
    fn standard_input(&mut self) -> Result<(), End> {
        for (number, line) in (1..).zip(io::stdin().lock().lines()) {
            let text =
                line.map_err(|err| End::Failed(format!("failed to read commands: {err}")))?;
            let Some((_, command)) = script_lines(&text).next() else { continue };
            match self.console.execute(command) {
                Ok(output) => {
                    let exit = output == Output::Exit;
                    show(self.args.json, command, &Ok(output))?;
                    if exit {
                        break;
                    }
                }
                Err(source) => {
                    let err = ConsoleError::Script {
                        file: "<stdin>".to_owned(),
                        line: number,
                        command: command.to_owned(),
                        source: Box::new(source),
                        done: Vec::new(),
                    };
                    let end = self.failed(err);
                    if self.args.batch {
                        return Err(end);
                    }
                    if let End::Failed(text) = end {
                        warn(&text);
                    }
                }
            }
        }
        Ok(())
    }

    fn prompt(&mut self, recording: &Path) -> Result<(), End> {
        let failed = |err| End::Failed(format!("failed to read commands: {err}"));
        let mut prompt = Prompt::new(&recording.join("sessions/history")).map_err(failed)?;
        warn(&"type `help` for the commands, Tab completes them, Ctrl-D leaves");
        loop {
            let command = match prompt.read().map_err(failed)? {
                Line::Command(command) => command,
                Line::Nothing => continue,
                Line::End => return Ok(()),
            };
            let result = self.console.execute(&command);
            show(self.args.json, &command, &result)?;
            match result {
                Ok(Output::Exit) => return Ok(()),
                Err(err) if !self.args.json => warn(&err),
                _ => {}
            }
        }
    }

    /// Ends with a script's error, which is an object too with `--json`.
    fn failed(&self, err: ConsoleError) -> End {
        let text = err.to_string();
        if let ConsoleError::Script { command, .. } = &err {
            let command = command.clone();
            if let Err(end) = show(self.args.json, &command, &Err(err)) {
                return end;
            }
        }
        End::Failed(text)
    }
}

/// Prints what a command gave. As text that is, of one that failed, only what ran before the failure.
fn show(json: bool, command: &str, result: &Result<Output, ConsoleError>) -> Result<(), End> {
    let text = match result {
        _ if json => render::json_step(command, result),
        Ok(output) => render::text(output),
        Err(err) => {
            let texts = err.done().into_iter().map(|step| render::text(&step.output));
            texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
        }
    };
    if text.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Err(End::Closed),
        Err(err) => Err(End::Failed(format!("failed to write to standard output: {err}"))),
    }
}

/// Says something that is no result. Nothing can be done where that fails.
fn warn(text: &dyn Display) {
    let _ = writeln!(io::stderr(), "retake: {text}");
}
