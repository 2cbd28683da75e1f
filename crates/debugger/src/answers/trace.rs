//! What was seen at a place, over the whole recording.

use retake_model::{Position, TaskId};
use serde::{Deserialize, Serialize};

use retake_values::Shown;

use super::PlaceView;
use crate::expr::Expression;

/// Arrivals at a place, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceView {
    /// How many there were.
    pub count: u64,
    /// Each of them; none if they were given to a [`crate::TraceSink`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<TraceLine>,
}

/// One arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLine {
    /// Its number, from 1.
    pub n: u64,
    /// The moment.
    #[serde(with = "crate::as_text")]
    pub position: Position,
    /// The task that arrived.
    pub task: TaskId,
    /// Where.
    pub place: PlaceView,
    /// What was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<TraceValue>,
}

/// The value of an expression at an arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceValue {
    /// The expression.
    pub expression: Expression,
    /// Its value as text, if it has one there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The same with its parts, if it is no number that was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
    /// Why it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
