//! Breakpoints as they are shown.

use serde::{Deserialize, Serialize};

use retake_model::TaskId;

use crate::breakpoint::{BreakpointId, HitCondition, Lifetime, Place};
use crate::code::SourceLine;
use crate::expr::Expression;
use crate::location::Location;

/// A breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakpointView {
    /// Its number.
    pub id: BreakpointId,
    /// As it was asked for.
    pub location: Location,
    /// It stops only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
    /// It stops only this thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<TaskId>,
    /// It stops only at these of its hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<HitCondition>,
    /// How long it stays.
    #[serde(default, skip_serializing_if = "Lifetime::is_until_cleared")]
    pub lifetime: Lifetime,
    /// Where it stops.
    pub places: Vec<BreakpointPlace>,
}

/// One place of a breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakpointPlace {
    /// The byte of a file, or the address.
    pub at: Place,
    /// The path of the file when it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The source line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceLine>,
}
