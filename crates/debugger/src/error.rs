//! What can go wrong in a command.

use retake_execution::ExecutionError;

use crate::expr::ExprError;
use crate::output::ScriptStep;
use crate::session::SessionError;

/// A command failed. The session goes on; a batch ends.
#[derive(Debug, thiserror::Error)]
pub enum DebugError {
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
    /// Something that was named does not exist, or there is nothing to do.
    #[error("{0}")]
    NotFound(String),
    /// An assertion does not hold.
    #[error("assertion failed: {0}")]
    Assertion(String),
    /// An expression cannot be read or has no value here.
    #[error(transparent)]
    Expr(#[from] ExprError),
    /// The execution could not do it.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A file's code could not be understood.
    #[error("failed to read the code of {path}: {problem}")]
    Code {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A source or script file cannot be read.
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
        source: Box<DebugError>,
        /// What ran before it, where nobody has been given that yet.
        done: Vec<ScriptStep>,
    },
    /// The session's journal could not be written: nothing was run.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl DebugError {
    /// The commands of nested scripts that ran before the one that failed.
    pub fn done(&self) -> Vec<&ScriptStep> {
        match self {
            Self::Script { source, done, .. } => done.iter().chain(source.done()).collect(),
            _ => Vec::new(),
        }
    }
}
