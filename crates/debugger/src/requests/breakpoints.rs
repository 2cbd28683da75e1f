//! Requests about breakpoints.

use serde::{Deserialize, Serialize};

use crate::BreakpointId;
use crate::expr::Expression;
use crate::location::Location;

/// A breakpoint that is to be set, in every process and at every time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBreakpoint {
    /// Where it stops.
    pub location: Location,
    /// It stops only where this is not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
}

/// A change of a breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCondition {
    /// Which one.
    pub breakpoint: BreakpointId,
    /// Its condition from now on; none if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
}

/// Some breakpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// All that there are.
    #[default]
    All,
    /// These.
    These(Vec<BreakpointId>),
}
