//! Breakpoints as they are shown.

use serde::{Deserialize, Serialize};

use retake_model::TaskId;

use crate::breakpoint::{BreakpointId, CatchKind, HitCondition, Lifetime, Place};
use crate::code::SourceLine;
use crate::expr::Expression;
use crate::location::Location;

/// A breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakpointView {
    /// Its number.
    pub id: BreakpointId,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
    /// What front ends run at its stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
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

/// Events at which runs stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchView {
    /// Its number, among those of breakpoints.
    pub id: BreakpointId,
    /// What is caught.
    pub what: CatchKind,
    /// Where it stops, if that is in code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<BreakpointPlace>,
}

/// Breakpoints and catches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakpointList {
    /// The breakpoints.
    pub breakpoints: Vec<BreakpointView>,
    /// The catches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catches: Vec<CatchView>,
}
