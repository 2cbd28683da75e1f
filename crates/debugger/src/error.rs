//! What can go wrong in a request.

use retake_execution::ExecutionError;

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

fn text_of(sides: Option<(i128, i128)>) -> String {
    sides.map_or_else(String::new, |(left, right)| format!(" (left is {left}, right is {right})"))
}
