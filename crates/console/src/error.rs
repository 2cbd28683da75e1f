//! What can go wrong with a line.

use retake_debugger::expr::ExprError;
use retake_debugger::{DebugError, closest};

use crate::output::ScriptStep;

/// A line failed. The session goes on; a batch ends.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// There is no such command.
    #[error("there is no command {name:?} ({})", instead(*.meant))]
    UnknownCommand {
        /// What was written.
        name: String,
        /// What may have been meant.
        meant: Option<&'static str>,
    },
    /// A line is too long for a command.
    #[error("a line of {0} bytes is no command: 16384 are the most")]
    TooLong(usize),
    /// A recording is to be changed.
    #[error(
        "a recording does not change: it is what happened; call FUNCTION(...) tries something out in a copy"
    )]
    NoChange,
    /// The answer before does not have a text in it.
    #[error(
        "expected {text:?} in the answer of the command before, which is {:?}",
        shortened(answer, ANSWER)
    )]
    Expectation {
        /// What was expected.
        text: String,
        /// What the answer was.
        answer: String,
    },
    /// A file of breakpoints cannot be understood, or some of them cannot be set.
    #[error("failed to set the breakpoints of {path}: {problem}")]
    Points {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A setting does not exist, or not with this value.
    #[error("{0}")]
    Setting(String),
    /// A file cannot be written.
    #[error("failed to write {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The words after the command are not what it takes.
    #[error("{problem}; usage: {usage}")]
    Usage {
        /// What is wrong.
        problem: String,
        /// How it is written.
        usage: &'static str,
    },
    /// The debugger could not do it.
    #[error(transparent)]
    Debug(#[from] DebugError),
    /// A script file cannot be read.
    #[error("failed to read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A script of another language failed.
    #[error("{path}: {problem}")]
    Program {
        /// The script.
        path: String,
        /// Why, and where in it.
        problem: String,
        /// What it did before.
        done: Vec<ScriptStep>,
    },
    /// A line of a script failed.
    #[error("{file}:{line}: {}: {source}", shortened(command, WORD))]
    Script {
        /// The script.
        file: String,
        /// The line in it, from 1.
        line: usize,
        /// The command on that line.
        command: String,
        /// Why it failed.
        source: Box<ConsoleError>,
        /// What ran before it, where nobody has been given that yet.
        done: Vec<ScriptStep>,
    },
}

fn instead(meant: Option<&'static str>) -> String {
    meant.map_or_else(|| "try help".to_owned(), |meant| format!("did you mean {meant}?"))
}

impl ConsoleError {
    /// There is no command of this name.
    pub(crate) fn unknown_command(name: &str) -> Self {
        let name = shortened(name, WORD);
        let names = crate::commands().iter().flat_map(|one| one.aliases.iter().chain([&one.name]));
        // Of two letters anything is close to many names.
        let meant = closest(&name, names.copied().filter(|known| known.len() > 2));
        let meant = meant.and_then(crate::commands::find).map(|command| command.name);
        Self::UnknownCommand { meant: meant.filter(|_| name.len() > 2), name }
    }

    /// Whether an assertion or expectation does not hold, and nothing else is wrong.
    pub fn is_of_assertion(&self) -> bool {
        matches!(
            self,
            Self::Expectation { .. }
                | Self::Debug(DebugError::Assertion { .. } | DebugError::Expectation { .. })
        )
    }

    /// The commands of nested scripts that ran before the one that failed.
    pub fn done(&self) -> Vec<&ScriptStep> {
        match self {
            Self::Script { source, done, .. } => done.iter().chain(source.done()).collect(),
            Self::Program { done, .. } => done.iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl From<ExprError> for ConsoleError {
    fn from(err: ExprError) -> Self {
        Self::Debug(err.into())
    }
}

/// Characters of a line that are enough to know it again: it may be a megabyte long.
pub(crate) const WORD: usize = 80;
/// Characters of an answer that say why it is not the expected one.
const ANSWER: usize = 4000;

/// The beginning of a text.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
