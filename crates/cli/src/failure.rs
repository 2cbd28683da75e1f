//! How a command ends early.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use crate::output::notice;

/// Exit code for failures of ours where every other code may be the program's.
pub(crate) const OURS: u8 = 125;

/// Why a command ends early. Made from any error, with exit code 1.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Whoever read our output went away, as `head` does: nobody is left to complain to.
    Closed,
    /// Something to say.
    Error {
        /// What.
        text: String,
        /// The exit code.
        code: u8,
    },
}

impl Failure {
    /// A failure with a text of its own.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Error { text: text.into(), code: 1 }
    }

    /// A write to standard output failed.
    pub(crate) fn of_output(err: &io::Error) -> Self {
        match err.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::text(format!("failed to write to standard output: {err}")),
        }
    }

    /// The same with another exit code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        match self {
            Self::Closed => Self::Closed,
            Self::Error { text, .. } => Self::Error { text, code },
        }
    }

    /// Says it, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Closed => ExitCode::SUCCESS,
            Self::Error { text, code } => {
                notice(&text);
                ExitCode::from(code)
            }
        }
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(err: E) -> Self {
        Self::text(chain(&err))
    }
}

/// An error with its sources. Many errors name their source themselves: that is not said twice.
pub(crate) fn chain(err: &(dyn Error + 'static)) -> String {
    let mut text = err.to_string();
    let mut next = err.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to read x")]
    struct Short(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("failed to read x: {0}")]
    struct Full(#[source] io::Error);

    #[test]
    fn each_source_is_said_once() {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let expected = "failed to read x: permission denied";
        assert_eq!(chain(&Short(refused())), expected);
        assert_eq!(chain(&Full(refused())), expected);
    }
}
