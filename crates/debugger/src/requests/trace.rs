//! Requests that follow a place over the whole recording.

use serde::{Deserialize, Serialize};

use crate::expr::Expression;
use crate::location::Location;

/// What is to be traced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRequest {
    /// Where.
    pub location: Location,
    /// Only arrivals at which this is not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
    /// Only arrivals of this thread: its number in the recording, else its tid in the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u32>,
    /// What is looked at, at each arrival.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Expression>,
}
