//! Moments of a recording.

use retake_model::{CheckpointIndex, EventIndex, Position, Signal, TaskId};
use serde::{Deserialize, Serialize};

use super::{DisplayView, FrameView, LineView, PlaceView};
use crate::BreakpointId;

/// The end of a movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopView {
    /// The moment.
    #[serde(with = "crate::as_text")]
    pub position: Position,
    /// The task that runs there.
    pub task: TaskId,
    /// Where it is.
    pub place: PlaceView,
    /// Why the movement ended. Several reasons can hold at once.
    pub reasons: Vec<StopReason>,
    /// The breakpoints that were hit.
    pub breakpoints: Vec<BreakpointId>,
    /// The catches that stopped here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catches: Vec<BreakpointId>,
    /// The event that comes next, if that was caught.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventView>,
    /// How the program failed, if this is where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The frame that is selected, where that is not the innermost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<FrameView>,
    /// The source line of the selected frame, if it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<LineView>,
    /// What is shown at every stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub displays: Vec<DisplayView>,
}

/// One reason for the end of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The moment that was asked for is reached.
    Reached,
    /// A breakpoint was hit; [`StopView::breakpoints`] says which.
    Breakpoint,
    /// Something is caught; [`StopView::catches`] says what, and [`StopView::event`] which event.
    Catch,
    /// Watched memory was accessed.
    Watch,
    /// The step is done.
    Stepped,
    /// The function that the run began in ends here; backwards, it begins.
    FrameEnd,
    /// This is the start of the recording.
    Start,
    /// This is its end.
    End,
    /// A signal ends the process next. In JSON the name of the signal.
    #[serde(untagged)]
    Fatal(#[serde(with = "crate::as_text::signal")] Signal),
}

/// One hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitView {
    /// Its number in the whole list, from 1.
    pub n: usize,
    /// The breakpoints that were hit.
    pub breakpoints: Vec<BreakpointId>,
    /// The moment.
    #[serde(with = "crate::as_text")]
    pub position: Position,
    /// The task that arrived.
    pub task: TaskId,
    /// Where.
    pub place: PlaceView,
}

/// The current moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhenView {
    /// The moment.
    #[serde(with = "crate::as_text")]
    pub position: Position,
    /// How many events there are in all.
    pub events: EventIndex,
    /// The task that runs.
    pub task: TaskId,
    /// Where it is.
    pub place: PlaceView,
    /// The program's run time up to the last event, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_time_ns: Option<u64>,
    /// The same in thousandths of the whole run time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_mille: Option<u32>,
    /// What the program's clock said last, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// The last event that took effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_event: Option<EventView>,
    /// The event that comes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_event: Option<EventView>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Which one.
    pub event: EventIndex,
    /// What it is, in a line.
    pub what: String,
}

/// A checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointView {
    /// Which one.
    pub checkpoint: CheckpointIndex,
    /// How many events had taken effect.
    pub event: EventIndex,
    /// Run time of the program up to there.
    pub run_time_ns: u64,
}
