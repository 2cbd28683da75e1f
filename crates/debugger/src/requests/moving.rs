//! Requests that move.

use retake_execution::Direction;
use retake_model::{CheckpointIndex, EventIndex, Position};
use serde::{Deserialize, Serialize};

use crate::BreakpointId;

/// A moment that somebody names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The start of the recording.
    Start,
    /// Its end.
    End,
    /// Right after so many events have taken effect.
    Event(EventIndex),
    /// A checkpoint.
    Checkpoint(CheckpointIndex),
    /// A hit.
    Hit {
        /// Of this breakpoint; of the last list of hits if it is not said, or of all breakpoints if
        /// there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        breakpoint: Option<BreakpointId>,
        /// Which, from 1.
        n: usize,
    },
    /// A position.
    Position(#[serde(with = "crate::as_text")] Position),
}

/// A direction, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Direction", rename_all = "snake_case")]
pub(super) enum DirectionText {
    Forward,
    Backward,
}
