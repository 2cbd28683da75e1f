//! What was passed on to the program.

use std::time::Duration;

use retake_model::Signal;

/// A signal that the first process got.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) signal: Signal,
    /// None: it is not known.
    pub(super) sender: Option<i32>,
    pub(super) at: Duration,
}
