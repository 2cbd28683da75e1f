//! Lines, one at a time.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use retake_debugger::{Debugger, ProgressSink, TraceSink};

use crate::asked::Asked;
use crate::output::{HelpView, Output, ScriptStep};
use crate::script::{Outcome, read_script, script_lines};
use crate::{Command, ConsoleError, commands, views};

/// Scripts inside scripts; more is a script that runs itself.
const MAX_DEPTH: usize = 16;

/// A debugger that is told what to do in lines of text.
pub struct Console {
    debugger: Debugger,
    progress: Option<Arc<dyn ProgressSink>>,
    trace: Option<Arc<dyn TraceSink>>,
    /// How many scripts are running inside each other.
    depth: usize,
}

impl Console {
    /// A console over a debugger.
    pub fn new(debugger: Debugger) -> Self {
        Self { debugger, progress: None, trace: None, depth: 0 }
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
        match commands::parse(line)? {
            Asked::Request(request, shown) => {
                let mut control = self.debugger.control().with_line(line);
                if let Some(sink) = &self.progress {
                    control = control.with_progress(Arc::clone(sink));
                }
                if let Some(sink) = &self.trace {
                    control = control.with_trace(Arc::clone(sink));
                }
                Ok(views::output(self.debugger.run(&request, &control)?, &shown))
            }
            Asked::Script(path) => self.source(&path),
            Asked::Help(name) => help(&name),
            Asked::Exit => Ok(Output::Exit),
        }
    }

    /// Runs a script file and gives each command with its line and output to `sink`.
    ///
    /// # Errors
    /// At the first command that fails, with its line.
    pub fn run_script(
        &mut self,
        path: &Path,
        sink: &mut dyn FnMut(usize, &str, &Output),
    ) -> Result<Outcome, ConsoleError> {
        let path = path.to_string_lossy();
        let text = read_script(&path)?;
        self.run_lines(&path, &text, sink)
    }

    fn run_lines(
        &mut self,
        file: &str,
        text: &str,
        sink: &mut dyn FnMut(usize, &str, &Output),
    ) -> Result<Outcome, ConsoleError> {
        for (line, command) in script_lines(text) {
            let output = self.execute(command).map_err(|source| ConsoleError::Script {
                file: file.to_owned(),
                line,
                command: command.to_owned(),
                source: Box::new(source),
                done: Vec::new(),
            })?;
            sink(line, command, &output);
            if output == Output::Exit {
                return Ok(Outcome::Exit);
            }
        }
        Ok(Outcome::Done)
    }

    /// Runs a script inside another one, or at a prompt.
    fn source(&mut self, path: &str) -> Result<Output, ConsoleError> {
        if self.depth >= MAX_DEPTH {
            return Err(commands::nested_too_deeply());
        }
        let text = read_script(path)?;
        let mut steps = Vec::new();
        self.depth += 1;
        let result = self.run_lines(path, &text, &mut |line, command, output| {
            let (command, output) = (command.to_owned(), output.clone());
            steps.push(ScriptStep { line, command, output });
        });
        self.depth -= 1;
        match result {
            Ok(Outcome::Exit) => Ok(Output::Exit),
            Ok(Outcome::Done) => Ok(Output::Script(steps)),
            Err(ConsoleError::Script { file, line, command, source, .. }) => {
                Err(ConsoleError::Script { file, line, command, source, done: steps })
            }
            Err(err) => Err(err),
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Console");
        out.field("debugger", &self.debugger).field("depth", &self.depth).finish_non_exhaustive()
    }
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
        return Err(ConsoleError::UnknownCommand(name.to_owned()));
    }
    Ok(Output::Help(found))
}
