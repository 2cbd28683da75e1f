//! What can go wrong with a line.

use retake_debugger::DebugError;
use retake_debugger::expr::ExprError;

use crate::output::ScriptStep;

/// A line failed. The session goes on; a batch ends.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// There is no such command.
    #[error("there is no command {0:?} (try help)")]
    UnknownCommand(String),
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
    /// A line of a script failed.
    #[error("{file}:{line}: {command}: {source}")]
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

impl ConsoleError {
    /// The commands of nested scripts that ran before the one that failed.
    pub fn done(&self) -> Vec<&ScriptStep> {
        match self {
            Self::Script { source, done, .. } => done.iter().chain(source.done()).collect(),
            _ => Vec::new(),
        }
    }
}

impl From<ExprError> for ConsoleError {
    fn from(err: ExprError) -> Self {
        Self::Debug(err.into())
    }
}
