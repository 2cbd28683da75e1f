//! The prompt: a line editor with history, completion and colors.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use retake_console::{Completion, Console, commands};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Context, Editor, Helper, Hinter, Validator};

use super::style::Colors;

/// What the user typed.
pub(super) enum Line {
    /// A command.
    Command(String),
    /// Nothing to run (Ctrl-C, or an empty line before any command).
    Nothing,
    /// The end of the input (Ctrl-D).
    End,
}

/// The prompt.
pub(super) struct Prompt {
    editor: Editor<Words, FileHistory>,
    history: PathBuf,
    /// An empty line repeats this, as in Delve.
    last: Option<String>,
}

impl Prompt {
    /// A prompt with the history of this file, if there is one.
    pub(super) fn new(
        history: &Path,
        console: Rc<RefCell<Console>>,
        colors: Colors,
    ) -> Result<Self, ReadlineError> {
        let config = Config::builder()
            .auto_add_history(true)
            .completion_type(CompletionType::List)
            // Lines that are pasted run one after the other, not as one.
            .bracketed_paste(false)
            .max_history_size(10_000)?
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Words { files: FilenameCompleter::new(), console, colors }));
        // The first session has no history; any other failure costs only convenience.
        let _ = editor.load_history(history);
        Ok(Self { editor, history: history.to_owned(), last: None })
    }

    /// The next line.
    pub(super) fn read(&mut self) -> Result<Line, ReadlineError> {
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

/// Completes what the console says can be completed, and colors commands.
#[derive(Helper, Hinter, Validator)]
struct Words {
    files: FilenameCompleter,
    console: Rc<RefCell<Console>>,
    colors: Colors,
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        match self.console.borrow().complete(line.get(..at).unwrap_or(line)) {
            Completion::File => self.files.complete(line, at, context),
            Completion::Words { start, words } => {
                Ok((start, words.into_iter().map(pair).collect()))
            }
        }
    }
}

fn pair(word: String) -> Pair {
    // `calls.c:` and `$hits(` are gone on with.
    let space = if word.ends_with([':', '(']) { "" } else { " " };
    Pair { replacement: format!("{word}{space}"), display: word }
}

impl Highlighter for Words {
    fn highlight<'l>(&self, line: &'l str, _at: usize) -> Cow<'l, str> {
        let end = line.find(char::is_whitespace).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let known = commands().iter().any(|one| one.name == name || one.aliases.contains(&name));
        if !known || self.colors == Colors::None {
            return Cow::Borrowed(line);
        }
        Cow::Owned(format!("{}{rest}", self.colors.command(name)))
    }

    fn highlight_char(&self, _line: &str, _at: usize, _kind: CmdKind) -> bool {
        self.colors == Colors::Ansi
    }
}
