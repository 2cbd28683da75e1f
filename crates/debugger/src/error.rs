//! What can go wrong in a request.

use retake_execution::{ErrorKind, ExecutionError};

use crate::expr::ExprError;
use crate::session::SessionError;

/// A request failed. The debugger can go on.
#[derive(Debug, thiserror::Error)]
pub enum DebugError {
    /// Something that was named does not exist, or there is nothing to do.
    #[error("{0}")]
    NotFound(String),
    /// An assertion does not hold.
    #[error("assertion failed: {expression}{}", text_of(*.sides))]
    Assertion {
        /// As it was written.
        expression: String,
        /// The values of its left and right side, if it is a comparison.
        sides: Option<(i128, i128)>,
    },
    /// The program has not printed what it was expected to.
    #[error("expected {text:?} in the program's output, but {instead}")]
    Expectation {
        /// What was expected.
        text: String,
        /// What there is instead.
        instead: String,
    },
    /// A call in a diversion did not return.
    #[error("failed to call {function}: {why}; the recording is as it was")]
    Call {
        /// The function.
        function: String,
        /// Why it did not return.
        why: String,
    },
    /// A condition that the recorded program cannot judge itself.
    #[error(
        "{0:?} cannot be a condition: compare integers of variables, registers ($rax), words of memory \
         (*(u32)($rsp+8)) and numbers, and join comparisons by && || !"
    )]
    Condition(String),
    /// A hit condition that cannot be read.
    #[error(
        "{0:?} is not a hit condition: write one of == != > >= < <= % and a number, such as % 100 for \
         each hundredth hit"
    )]
    HitCondition(String),
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
    /// A source file cannot be read.
    #[error("failed to read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The session's journal could not be written: nothing was run.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl DebugError {
    /// Whether somebody cancelled the request.
    pub fn is_interrupted(&self) -> bool {
        let kind = match self {
            Self::Execution(err) => err.kind(),
            _ => return false,
        };
        matches!(kind, ErrorKind::Interrupted)
    }
}

fn text_of(sides: Option<(i128, i128)>) -> String {
    sides.map_or_else(String::new, |(left, right)| format!(" (left is {left}, right is {right})"))
}
