//! Requests that move.

use std::num::NonZeroU64;

use retake_execution::Direction;
use retake_model::{CheckpointIndex, EventIndex, Position};
use serde::{Deserialize, Serialize};

use crate::BreakpointId;
use crate::clock::ClockTime;
use crate::location::Location;

/// A moment that somebody names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A bookmark, by its name.
    Bookmark(String),
    /// Right before a text is printed for the `n`th time, from 1.
    Output {
        /// The text.
        text: String,
        /// Which time.
        n: NonZeroU64,
    },
    /// When the program's own clock reads said so.
    Clock(#[serde(with = "crate::as_text")] ClockTime),
    /// When the program had run for so many nanoseconds.
    RunTime(u64),
    /// When so many thousandths of its run time were over.
    PerMille(u32),
    /// The failure that ended the run, with the user's frame selected.
    Failure,
    /// The start of the program's `main`.
    Main,
    /// The failure if there is one, else `main`.
    Opening,
}

/// A run of the selected task to a location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTo {
    /// Where to.
    pub location: Location,
    /// Which way.
    #[serde(with = "DirectionText")]
    pub direction: Direction,
    /// How far it goes.
    pub scope: Scope,
}

/// How far a run to a location goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// As far as it takes.
    Recording,
    /// Out of the function at most: to behind its call, or backwards to the call.
    Function,
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// To another source line, also of a function that is called.
    Step,
    /// To another source line of the function, or of its caller.
    Next,
    /// Out of the function.
    Out,
    /// One instruction.
    Instruction,
    /// One instruction; a call with all that it does is one.
    NextInstruction,
}

/// Some steps of the selected task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRequest {
    /// What a step is.
    pub kind: StepKind,
    /// Which way.
    #[serde(with = "DirectionText")]
    pub direction: Direction,
    /// How many.
    #[serde(default = "one")]
    pub count: NonZeroU64,
}

const fn one() -> NonZeroU64 {
    NonZeroU64::MIN
}

/// A direction, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Direction", rename_all = "snake_case")]
pub(super) enum DirectionText {
    Forward,
    Backward,
}
