//! The prompt: a line editor with history and completion.

use std::path::{Path, PathBuf};

use retake_console::{Completion, complete};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Context, Editor, Helper, Highlighter, Hinter, Validator};

/// What the user typed.
pub(crate) enum Line {
    /// A command.
    Command(String),
    /// Nothing to run (Ctrl-C, or an empty line before any command).
    Nothing,
    /// The end of the input (Ctrl-D).
    End,
}

/// The prompt.
pub(crate) struct Prompt {
    editor: Editor<Words, FileHistory>,
    history: PathBuf,
    /// An empty line repeats this, as in Delve.
    last: Option<String>,
}

impl Prompt {
    /// A prompt with the history of this file, if there is one.
    pub(crate) fn new(history: &Path) -> Result<Self, ReadlineError> {
        let config = Config::builder()
            .auto_add_history(true)
            .completion_type(CompletionType::List)
            .max_history_size(10_000)?
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Words { files: FilenameCompleter::new() }));
        // The first session has no history; any other failure costs only convenience.
        let _ = editor.load_history(history);
        Ok(Self { editor, history: history.to_owned(), last: None })
    }

    /// The next line.
    pub(crate) fn read(&mut self) -> Result<Line, ReadlineError> {
        let line = match self.editor.readline("(retake) ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => return Ok(Line::Nothing),
            Err(ReadlineError::Eof) => return Ok(Line::End),
            Err(err) => return Err(err),
        };
        let _ = self.editor.append_history(&self.history);
        let command = line.trim();
        if !command.is_empty() {
            self.last = Some(command.to_owned());
        }
        Ok(self.last.clone().map_or(Line::Nothing, Line::Command))
    }
}

/// Completes what the console says can be completed.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Words {
    files: FilenameCompleter,
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        match complete(line.get(..at).unwrap_or(line)) {
            Completion::File => self.files.complete(line, at, context),
            Completion::Words { start, words } => {
                Ok((start, words.into_iter().map(pair).collect()))
            }
        }
    }
}

fn pair(word: &str) -> Pair {
    Pair { display: word.to_owned(), replacement: format!("{word} ") }
}
