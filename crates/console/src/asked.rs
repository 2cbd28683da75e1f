//! What a line asks for.

use retake_debugger::Request;

/// A line that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Something of the debugger, and how its answer is shown.
    Request(Request, Shown),
    /// To run a file of commands.
    Script(String),
    /// What the commands are; all of them, if the name is empty.
    Help(String),
    /// To leave.
    Exit,
}

impl Asked {
    /// A request whose answer needs no further words.
    pub(crate) const fn plainly(request: Request) -> Self {
        Self::Request(request, Shown::Plainly)
    }
}

/// How an answer is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// As it is.
    Plainly,
    /// Memory, in items.
    Items {
        /// Bytes in each.
        size: usize,
        /// Their form.
        format: Format,
    },
    /// An assertion, by its text.
    Assertion(String),
}

/// The form of an integer in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Hex,
    Dec,
    Oct,
    Bin,
    Raw,
}
