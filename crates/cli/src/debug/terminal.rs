//! A console, and where its lines come from and its outputs go.

use std::cell::RefCell;
use std::io::{self, BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use retake_console::{Console, ConsoleError, Failures, Outcome, Output, render, script_lines};
use retake_debugger::session::{Resumed, strict};
use retake_debugger::{DebugError, Debugger, Places, Session, TraceLine, TraceSink};
use retake_starlark::Starlark;

use super::junit::Junit;
use super::pager::{self, Paged};
use super::prompt::{Line, Prompt};
use super::style::{Colors, Style};
use super::ticker::Ticker;
use super::{DebugArgs, Resume, warn};
use crate::progress;

/// Why the debugger ends early.
pub(super) enum End {
    Failed(String),
    Closed,
}

/// Whether a session has done something before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    Anew,
    Resumed,
}

impl From<DebugError> for End {
    fn from(err: DebugError) -> Self {
        Self::Failed(err.to_string())
    }
}

/// The debugger of one `retake debug`.
pub(super) struct Terminal<'a> {
    console: Rc<RefCell<Console>>,
    args: &'a DebugArgs,
    junit: Option<Junit>,
    /// What was said last of why the session is not written.
    trouble: Option<String>,
    /// How the terminal shows things, if this is at a prompt.
    style: Option<Style>,
    ticker: Ticker,
}

impl<'a> Terminal<'a> {
    pub(super) fn new(debugger: Debugger, args: &'a DebugArgs) -> Self {
        let mut console = Console::new(debugger)
            .with_progress(progress::of_requests())
            .with_scripts(Arc::new(Starlark));
        if !args.json {
            console = console.with_trace(Arc::new(PrintedTrace));
        }
        let junit = args.junit.as_ref().map(|_| Junit::new());
        if junit.is_some() {
            console = console.with_failures(Failures::Collect);
        }
        let console = Rc::new(RefCell::new(console));
        Self { console, args, junit, trouble: None, style: None, ticker: Ticker::start() }
    }

    pub(super) fn run(mut self, recording: &Path) -> Result<(), End> {
        let session = self.open_session(recording)?;
        let end = self.run_all(recording, session);
        let Some((junit, file)) = self.junit.as_ref().zip(self.args.junit.as_ref()) else {
            return end;
        };
        end.and(junit.write(file).map_err(End::Failed))?;
        match junit.failures() {
            0 => Ok(()),
            1 => Err(End::Failed("an assertion does not hold".to_owned())),
            n => Err(End::Failed(format!("{n} assertions do not hold"))),
        }
    }

    fn open_session(&mut self, recording: &Path) -> Result<Begun, End> {
        let mut console = self.console.borrow_mut();
        let debugger = console.debugger_mut();
        // A batch ends by itself: nobody waits for it to come back.
        debugger.keep_places(if self.args.batch { Places::NotKept } else { Places::Kept });
        let (session, resumed) = match (&self.args.session, self.args.resume) {
            (Some(name), _) => Session::named(recording, name).map_err(DebugError::from)?,
            (None, Some(_)) => Session::resume(recording).map_err(DebugError::from)?,
            (None, None) => {
                match Session::create(recording) {
                    Ok(session) => debugger.attach(session),
                    // A recording on a read-only disk can be debugged too.
                    Err(err) => warn(&format_args!("this session cannot be resumed later: {err}")),
                }
                return Ok(Begun::Anew);
            }
        };
        match self.args.resume {
            Some(Resume::Strict) => redo(debugger, &resumed)?,
            Some(Resume::Last) | None => {
                if let Some(state) = &resumed.state {
                    debugger.resume(&session, state)?;
                }
            }
        }
        let (name, count) = (session.name(), resumed.completed);
        let position = debugger.execution().position();
        if count > 0 {
            warn(&format_args!("session {name} goes on at {position}, after {count} commands"));
        }
        for command in &resumed.interrupted {
            warn(&format_args!("not completed, and not applied: {command}"));
        }
        debugger.attach(session);
        Ok(if count > 0 { Begun::Resumed } else { Begun::Anew })
    }

    fn run_all(&mut self, recording: &Path, session: Begun) -> Result<(), End> {
        let at_prompt = !self.args.batch && io::stdin().is_terminal();
        if at_prompt && !self.args.json && io::stdout().is_terminal() {
            self.style = Some(style());
        }
        let opens = at_prompt && self.args.init.is_none() && session == Begun::Anew;
        self.begin(opens)?;
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
            _ if at_prompt => self.prompt(recording),
            _ => self.standard_input(),
        }
    }

    /// Goes to where this begins: where somebody says, else to the failure or `main` if it `opens`.
    fn begin(&mut self, opens: bool) -> Result<(), End> {
        if let Some(moment) = &self.args.at {
            let line = format!("goto {moment}");
            let output = self.console.borrow_mut().execute(&line);
            let output =
                output.map_err(|err| End::Failed(format!("failed to begin at {moment}: {err}")))?;
            return self.show(&line, &Ok(output));
        }
        if !opens {
            return Ok(());
        }
        let opened = self.ticker.during("open", || self.console.borrow_mut().open());
        self.show("open", &opened)?;
        if let Err(err) = opened {
            // Whoever does not wait for it is at the start.
            warn(&err);
        }
        Ok(())
    }

    fn script(&mut self, file: &Path) -> Result<Outcome, End> {
        let (json, name) = (self.args.json, file.display().to_string());
        let junit = &mut self.junit;
        let mut shown = Ok(());
        let result = self.console.borrow_mut().run_script(file, &mut |line, command, output| {
            if let Some(junit) = junit.as_mut() {
                junit.ran(&name, line, command, output);
            }
            if shown.is_ok() {
                shown = show(json, command, &Ok(output.clone()));
            }
        });
        self.complain();
        shown?;
        result.map_err(|err| self.failed(err))
    }

    /// The commands of a pipe or file at standard input, each run as soon as it is there.
    fn standard_input(&mut self) -> Result<(), End> {
        let mut input = io::stdin().lock();
        for number in 1.. {
            let mut bytes = Vec::new();
            let read = input.read_until(b'\n', &mut bytes);
            let read =
                read.map_err(|err| End::Failed(format!("failed to read commands: {err}")))?;
            if read == 0 {
                break;
            }
            // A command with such bytes says itself that there is none of that name.
            let text = String::from_utf8_lossy(&bytes);
            let Some((_, command)) = script_lines(&text).next() else { continue };
            let result = self.console.borrow_mut().execute(command);
            match result {
                Ok(output) => {
                    let exit = output == Output::Exit;
                    if let Some(junit) = &mut self.junit {
                        junit.ran("<stdin>", number, command, &output);
                    }
                    self.show(command, &Ok(output))?;
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
        let colors = self.style.map_or(Colors::None, |style| style.colors);
        let history = recording.join("sessions/history");
        let console = Rc::clone(&self.console);
        let mut prompt = Prompt::new(&history, console, colors).map_err(failed)?;
        warn(&"type `help` for the commands, Tab completes them, Ctrl-D leaves");
        loop {
            let command = match prompt.read().map_err(failed)? {
                Line::Command(command) => command,
                Line::Nothing => continue,
                Line::End => return Ok(()),
            };
            if self.style.is_some() {
                // It may have been made wider meanwhile.
                self.style = Some(style());
            }
            let run = || self.console.borrow_mut().execute(&command);
            let result = self.ticker.during(&command, run);
            self.show(&command, &result)?;
            match result {
                Ok(Output::Exit) => return Ok(()),
                Err(err) if !self.args.json => warn(&err),
                _ => {}
            }
        }
    }

    /// Ends with a script's error, which is an object too with `--json`.
    fn failed(&mut self, err: ConsoleError) -> End {
        let text = err.to_string();
        if let ConsoleError::Script { file, line, command, .. } = &err {
            if let Some(junit) = &mut self.junit {
                junit.failed(file, *line, command, &text);
            }
            let command = command.clone();
            if let Err(end) = self.show(&command, &Err(err)) {
                return end;
            }
        }
        End::Failed(text)
    }

    /// Prints what a command gave.
    fn show(&mut self, command: &str, result: &Result<Output, ConsoleError>) -> Result<(), End> {
        self.complain();
        let Some(style) = self.style else { return show(self.args.json, command, result) };
        let mut text = style.apply(&text_of(result));
        if let Ok(Output::Stop(_)) = result
            && let Some(share) = self.console.borrow().debugger().share_of_run()
        {
            text.push_str(&format!("\n{}", style.bar(share)));
        }
        let rows = rows();
        if rows.is_some_and(|rows| text.lines().count() > rows) {
            let paged = pager::show(&text, std::env::var_os("PAGER"));
            let paged =
                paged.map_err(|err| End::Failed(format!("failed to run a pager: {err}")))?;
            if paged == Paged::Shown {
                return Ok(());
            }
        }
        print(&text)
    }

    /// Says why the session is not written, where that is new.
    fn complain(&mut self) {
        let trouble = self.console.borrow().debugger().session_trouble();
        if self.trouble != trouble {
            match &trouble {
                Some(trouble) => warn(&format_args!(
                    "this session is not kept at this time: {trouble}; what is done is written once that is possible"
                )),
                None => warn(&"this session is kept again, with all that was done meanwhile"),
            }
            self.trouble = trouble;
        }
    }
}

/// Does all of a session again.
fn redo(debugger: &mut Debugger, resumed: &Resumed) -> Result<(), End> {
    let done = strict::redo(debugger, resumed, &mut |_| {});
    done.map_err(|err| End::Failed(format!("failed to resume strictly: {err}")))
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

/// Prints what a command gave.
fn show(json: bool, command: &str, result: &Result<Output, ConsoleError>) -> Result<(), End> {
    if json { print(&render::json_step(command, result)) } else { print(&text_of(result)) }
}

/// As text what a command gave; of one that failed, only what ran before the failure.
fn text_of(result: &Result<Output, ConsoleError>) -> String {
    match result {
        Ok(output) => render::text(output),
        Err(err) => {
            let texts = err.done().into_iter().map(|step| render::text(&step.output));
            texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
        }
    }
}

fn print(text: &str) -> Result<(), End> {
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

/// How this terminal shows things.
fn style() -> Style {
    let colors = Colors::wanted(std::env::var_os("NO_COLOR"), std::env::var_os("TERM"));
    let size = rustix::termios::tcgetwinsize(io::stdout());
    let width = size.map_or(0, |size| usize::from(size.ws_col));
    Style { colors, width: if width == 0 { 80 } else { width } }
}

/// Lines of this terminal, if it says how many there are.
fn rows() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}
