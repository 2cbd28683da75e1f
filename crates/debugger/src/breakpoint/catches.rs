//! Catches: events at which runs stop.

use retake_model::Signal;
use serde::{Deserialize, Serialize};

use super::{BreakpointId, Place};

/// What is caught, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchKind {
    /// A system call: of this name or number, or any.
    Syscall(Option<String>),
    /// A signal: this one, or any.
    Signal(#[serde(with = "crate::as_text::optional_signal")] Option<Signal>),
    /// A new process.
    Fork,
    /// The start of another program.
    Exec,
    /// The end of a thread.
    Exit,
    /// An exception of C++, a panic of Rust or Go.
    Throw,
    /// A write to standard output or error, at which the last byte of this text appears.
    Output(String),
}

/// Events at which runs stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Catch {
    /// Its number, among those of breakpoints.
    pub(crate) id: BreakpointId,
    /// What is caught.
    pub(crate) what: CatchKind,
    /// Where it stops, if that is in code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) places: Vec<Place>,
}
