//! The prompt: a line editor with history and completion.

use std::path::{Path, PathBuf};

use retake_debugger::command_infos;
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

/// Completes commands, their fixed words, and the files of `source`.
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
        let before = line.get(..at).unwrap_or(line);
        let start = before.rfind(char::is_whitespace).map_or(0, |space| space + 1);
        let (words, typed) = before.split_at(start);
        let fixed: &[&str] = match words.trim() {
            "" => return Ok((start, pairs(command_names(), typed))),
            "help" | "h" => return Ok((start, pairs(command_names(), typed))),
            "source" => return self.files.complete(line, at, context),
            "goto" | "g" => &["hit", "event", "checkpoint", "start", "end"],
            "clear" => &["all"],
            "examinemem" | "x" => &["-fmt", "-count", "-size"],
            "assert" => &["$hits(", "$event", "$task", "$rip", "$rsp", "$rax"],
            _ => &[],
        };
        Ok((start, pairs(fixed.iter().copied(), typed)))
    }
}

fn command_names() -> impl Iterator<Item = &'static str> {
    command_infos().iter().map(|info| info.name)
}

fn pairs<'a>(all: impl Iterator<Item = &'a str>, typed: &str) -> Vec<Pair> {
    let pair = |word: &str| Pair { display: word.to_owned(), replacement: format!("{word} ") };
    all.filter(|word| word.starts_with(typed)).map(pair).collect()
}
