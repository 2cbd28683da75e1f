//! Scripts: files of commands, a line each; `#` begins a comment.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use retake_debugger::DebugError;
use retake_execution::{ErrorKind, ExecutionError};

use crate::{Console, ConsoleError, Output, ScriptStep, commands};

/// Scripts inside scripts; more is a script that runs itself.
const MAX_DEPTH: usize = 16;

/// Runs scripts of another language.
pub trait ScriptRunner {
    /// What the names of their files end in.
    fn extension(&self) -> &'static str;

    /// Runs a script; what it did, and printed, is put into `done`, also where it fails then.
    ///
    /// # Errors
    /// When it cannot be parsed, or fails; the text says where.
    fn run(
        &self,
        console: &mut Console,
        path: &str,
        text: &str,
        done: &mut Vec<ScriptStep>,
    ) -> Result<(), String>;
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// After its last command.
    Done,
    /// At an `exit`.
    Exit,
}

/// The commands of a script with their line numbers, from 1. A `#` is a comment at the start of a
/// word, so that `b#c` can be a name.
pub fn script_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = (1..).zip(text.lines().map(|line| without_comment(line).trim()));
    numbered.filter(|(_, line)| !line.is_empty())
}

fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = c;
    }
    line
}

/// The text of a script.
pub(crate) fn read_script(path: &str) -> Result<String, ConsoleError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConsoleError::Read { path: path.to_owned(), source })
}

impl Console {
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
        self.debugger.interrupter().store(false, Ordering::SeqCst);
        if path.ends_with(".json") || self.runner_of(&path).is_some() {
            // No lines of commands: it has one answer.
            let output = self.source(&path)?;
            sink(1, &format!("source {path}"), &output);
            return Ok(Outcome::Done);
        }
        let text = read_script(&path)?;
        self.run_lines(&path, &text, sink)
    }

    fn run_lines(
        &mut self,
        file: &str,
        text: &str,
        sink: &mut dyn FnMut(usize, &str, &Output),
    ) -> Result<Outcome, ConsoleError> {
        let interrupt = self.debugger.interrupter();
        for (line, command) in script_lines(text) {
            // The request of the next command would forget that somebody wants an end.
            let ended = interrupt.load(Ordering::SeqCst);
            let result = if ended { Err(interrupted()) } else { self.execute(command) };
            let output = result.map_err(|source| ConsoleError::Script {
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
    pub(crate) fn source(&mut self, path: &str) -> Result<Output, ConsoleError> {
        if path.ends_with(".json") {
            return self.set_points(path);
        }
        if self.depth >= MAX_DEPTH {
            return Err(commands::nested_too_deeply());
        }
        if self.depth == 0 {
            // What was meant to end an earlier command came too late for that.
            self.debugger.interrupter().store(false, Ordering::SeqCst);
        }
        let text = read_script(path)?;
        let mut steps = Vec::new();
        self.depth += 1;
        if let Some(runner) = self.runner_of(path) {
            let result = runner.run(self, path, &text, &mut steps);
            self.depth -= 1;
            return match result {
                Ok(()) => Ok(Output::Script(steps)),
                Err(problem) => {
                    Err(ConsoleError::Program { path: path.to_owned(), problem, done: steps })
                }
            };
        }
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

    /// Who runs a file that is no list of commands.
    fn runner_of(&self, path: &str) -> Option<Arc<dyn ScriptRunner>> {
        let runner = self.scripts.as_ref()?;
        let end = path.rsplit_once('.').map(|(_, end)| end);
        (end == Some(runner.extension())).then(|| Arc::clone(runner))
    }
}

/// A script that somebody wants to end.
fn interrupted() -> ConsoleError {
    DebugError::from(ExecutionError::new("run a script", ErrorKind::Interrupted)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_skipped_and_counted() {
        let text = "# first\n\n  break main # where it begins\nbreak a#b\n#\ncontinue";
        let lines: Vec<_> = script_lines(text).collect();
        assert_eq!(lines, [(3, "break main"), (4, "break a#b"), (6, "continue")]);
    }
}
