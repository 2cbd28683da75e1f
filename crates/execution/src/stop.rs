//! Ends of a run.

use retake_model::{Position, Signal, TaskId};

use crate::{SiteId, WatchId};

/// Where a run ended, and why. Several reasons can hold at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// The moment.
    pub position: Position,
    /// The task that runs there.
    pub task: TaskId,
    /// Why.
    pub reasons: Vec<StopReason>,
}

/// One reason for the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The asked-for position was reached.
    Reached,
    /// A site was hit.
    Site(SiteId),
    /// Watched memory was accessed: right behind the access forwards, right before it backwards.
    Watch(WatchId),
    /// The asked-for instructions were executed.
    Stepped,
    /// The start of the recording.
    Start,
    /// The end of the recording.
    End,
    /// A signal ends the process next.
    Fatal(Signal),
    /// A signal that the run was to stop at takes effect next.
    Signal(Signal),
}
