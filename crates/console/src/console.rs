//! Lines, one at a time.

use std::fmt;
use std::sync::Arc;

use retake_debugger::{Answer, Debugger, FrameChoice, Moment, ProgressSink, Request, TraceSink};

use crate::asked::{Asked, NewTranscript, Scope, Shown};
use crate::output::{ExpectView, FailedView, HelpView, Output, RanView, TranscriptView};
use crate::script::ScriptRunner;
use crate::settings;
use crate::transcript::Transcript;
use crate::{Command, ConsoleError, commands, render, views};

/// Bytes of a line. What is longer is no command, and is not to be repeated in an error.
const LONGEST_LINE: usize = 16 << 10;

/// A debugger that is told what to do in lines of text.
pub struct Console {
    pub(crate) debugger: Debugger,
    progress: Option<Arc<dyn ProgressSink>>,
    trace: Option<Arc<dyn TraceSink>>,
    /// How many scripts are running inside each other.
    pub(crate) depth: usize,
    transcript: Option<Transcript>,
    /// What the command before answered, as text.
    answer: String,
    failures: Failures,
    pub(crate) scripts: Option<Arc<dyn ScriptRunner>>,
}

/// What a failed `assert` or `expect` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failures {
    /// It is an error, which ends a script.
    #[default]
    End,
    /// It is an output, [`Output::Failed`], and the script goes on.
    Collect,
}

impl Console {
    /// A console over a debugger.
    pub fn new(debugger: Debugger) -> Self {
        Self {
            debugger,
            progress: None,
            trace: None,
            depth: 0,
            transcript: None,
            answer: String::new(),
            failures: Failures::End,
            scripts: None,
        }
    }

    /// Tells `sink` how far each request is.
    #[must_use]
    pub fn with_progress(self, sink: Arc<dyn ProgressSink>) -> Self {
        Self { progress: Some(sink), ..self }
    }

    /// Gives what traces see to `sink` as it is found, and not with their outputs.
    #[must_use]
    pub fn with_trace(self, sink: Arc<dyn TraceSink>) -> Self {
        Self { trace: Some(sink), ..self }
    }

    /// Says what a failed `assert` or `expect` does.
    #[must_use]
    pub fn with_failures(self, failures: Failures) -> Self {
        Self { failures, ..self }
    }

    /// Has scripts of another language run by `runner`.
    #[must_use]
    pub fn with_scripts(self, runner: Arc<dyn ScriptRunner>) -> Self {
        Self { scripts: Some(runner), ..self }
    }

    /// Asks the debugger for something that no line says.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ConsoleError> {
        let control = self.debugger.control();
        Ok(self.debugger.run(request, &control)?)
    }

    /// The debugger.
    pub fn debugger(&self) -> &Debugger {
        &self.debugger
    }

    /// The debugger, for what is not a request.
    pub fn debugger_mut(&mut self) -> &mut Debugger {
        &mut self.debugger
    }

    /// Runs one line.
    ///
    /// # Errors
    /// When there is no such command or it fails. The console can go on after that.
    pub fn execute(&mut self, line: &str) -> Result<Output, ConsoleError> {
        let line = line.trim();
        fits(line)?;
        let result = match self.execute_one(line) {
            Err(err) if self.failures == Failures::Collect && err.is_of_assertion() => {
                Ok(Output::Failed(FailedView { problem: err.to_string() }))
            }
            result => result,
        };
        if let Some(transcript) = &mut self.transcript {
            let text = match &result {
                // Its commands were written one after the other.
                Ok(Output::Script(_)) => String::new(),
                Ok(output) => render::text(output),
                Err(err) => format!("error: {err}"),
            };
            transcript.write(line, &text)?;
        }
        if let Ok(output) = &result
            && !matches!(output, Output::Expect(_) | Output::Assert(_) | Output::Failed(_))
        {
            self.answer = render::text(output);
        }
        result
    }

    pub(crate) fn execute_one(&mut self, line: &str) -> Result<Output, ConsoleError> {
        let named = settings::without_alias(self.debugger.settings(), line);
        let line = named.as_deref().unwrap_or(line);
        let numbered = self.with_numbers(line);
        match commands::parse(numbered.as_deref().unwrap_or(line))? {
            Asked::Request(request, shown) => self.request(line, request, &shown),
            Asked::Script(path) => self.source(&path),
            Asked::Within(scope, line) => self.within(scope, &line),
            Asked::Expect(text) => self.expect(text),
            Asked::Config(change) => match settings::setting(&change, self.debugger.settings())? {
                Some(new) => self.request(line, Request::Configure(new), &Shown::Plainly),
                None => Ok(Output::Config(settings::view(self.debugger.settings()))),
            },
            Asked::Transcript(new) => self.transcribe(new),
            Asked::Help(name) => help(&name),
            Asked::Exit => Ok(Output::Exit),
        }
    }

    /// Asks the debugger, and runs what breakpoints have that are hit.
    fn request(
        &mut self,
        line: &str,
        mut request: Request,
        shown: &Shown,
    ) -> Result<Output, ConsoleError> {
        match &mut request {
            Request::Source(source) => source.around = settings::around(self.debugger.settings()),
            Request::Call(call) => call.threads = settings::calls_run(self.debugger.settings()),
            _ => {}
        }
        let mut control = self.debugger.control().with_line(line);
        if let Some(sink) = &self.progress {
            control = control.with_progress(Arc::clone(sink));
        }
        // A table is printed as a whole.
        let is_table = matches!(shown, Shown::Table(_));
        if let Some(sink) = self.trace.as_ref().filter(|_| !is_table) {
            control = control.with_trace(Arc::clone(sink));
        }
        let mut output = views::output(self.debugger.run(&request, &control)?, shown);
        if let Output::Stop(stop) = &mut output {
            let hit = stop.view.breakpoints.clone();
            let lines = hit.iter().flat_map(|id| self.debugger.commands_at(*id));
            let lines: Vec<String> = lines.collect();
            stop.on = lines.into_iter().map(|line| self.ran(line)).collect();
        }
        Ok(output)
    }

    fn ran(&mut self, command: String) -> RanView {
        let (output, error) = match self.execute_one(&command) {
            Ok(output) => (Some(output), None),
            Err(err) => (None, Some(err.to_string())),
        };
        RanView { command, output, error }
    }

    /// A line with the numbers of the breakpoints that it names.
    fn with_numbers(&self, line: &str) -> Option<String> {
        let (name, _) = line.split_once(char::is_whitespace)?;
        // Which words after the command can be names.
        let may_be = match commands::find(name)?.name {
            "clear" | "hits" => 1..usize::MAX,
            "condition" | "on" => 1..3,
            // `goto NAME` is a bookmark.
            "goto" => 2..3,
            _ => return None,
        };
        let (mut text, mut n, mut changed) = (String::new(), 0_usize, false);
        for piece in line.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            let named = may_be.contains(&n).then(|| self.debugger.breakpoint_named(word)).flatten();
            match named {
                Some(id) => text.push_str(&format!("{id}{}", &piece[word.len()..])),
                None => text.push_str(piece),
            }
            changed |= named.is_some();
            n += usize::from(!word.is_empty());
        }
        changed.then_some(text)
    }

    /// Runs a line with another thread or frame selected, and selects those again that were.
    fn within(&mut self, scope: Scope, line: &str) -> Result<Output, ConsoleError> {
        let before = self.debugger.state();
        let request = match scope {
            Scope::Thread(number) => Request::SelectThread { number },
            Scope::Frame(choice) => Request::SelectFrame(choice),
            Scope::Goroutine(id) => Request::SelectGoroutine { id: Some(id) },
        };
        let ask = |debugger: &mut Debugger, request: &Request| {
            let control = debugger.control().with_line(line);
            debugger.run(request, &control)
        };
        ask(&mut self.debugger, &request)?;
        let result = self.execute_one(line);
        // A movement has selected what runs there.
        if self.debugger.state().position == before.position {
            let task = before.selected.unwrap_or(before.task);
            ask(&mut self.debugger, &Request::SelectThread { number: task.get() })?;
            if before.goroutine.is_some() {
                ask(&mut self.debugger, &Request::SelectGoroutine { id: before.goroutine })?;
            }
            ask(&mut self.debugger, &Request::SelectFrame(FrameChoice::Number(before.frame)))?;
        }
        result
    }

    fn expect(&self, text: String) -> Result<Output, ConsoleError> {
        if self.answer.contains(&text) {
            return Ok(Output::Expect(ExpectView { text }));
        }
        Err(ConsoleError::Expectation { text, answer: self.answer.clone() })
    }

    fn transcribe(&mut self, new: Option<NewTranscript>) -> Result<Output, ConsoleError> {
        let file = new.as_ref().map(|new| new.file.clone());
        self.transcript = new.as_ref().map(Transcript::open).transpose()?;
        Ok(Output::Transcript(TranscriptView { file }))
    }

    /// Goes to where a debugger opens: to the failure that ended the run, if there is one, else to `main`.
    ///
    /// # Errors
    /// When the replay fails or is interrupted.
    pub fn open(&mut self) -> Result<Output, ConsoleError> {
        self.request("open", Request::Seek(Moment::Opening), &Shown::Plainly)
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Console");
        out.field("debugger", &self.debugger).field("depth", &self.depth).finish_non_exhaustive()
    }
}

/// Whether a line can be a command.
pub(crate) fn fits(line: &str) -> Result<(), ConsoleError> {
    if line.len() > LONGEST_LINE { Err(ConsoleError::TooLong(line.len())) } else { Ok(()) }
}

/// What the commands of this name are, or all of them.
fn help(name: &str) -> Result<Output, ConsoleError> {
    let view = |command: &Command| HelpView {
        usage: command.usage.to_owned(),
        aliases: command.aliases.iter().map(|&alias| alias.to_owned()).collect(),
        summary: command.summary.to_owned(),
    };
    let wanted = commands::commands().iter().filter(|command| name.is_empty() || command.is(name));
    let found: Vec<_> = wanted.map(view).collect();
    if found.is_empty() {
        return Err(ConsoleError::unknown_command(name));
    }
    Ok(Output::Help(found))
}
