//! Requests about breakpoints.

use serde::{Deserialize, Serialize};

use crate::breakpoint::{BreakpointId, HitCondition, Lifetime};
use crate::expr::Expression;
use crate::location::Location;

/// A breakpoint that is to be set, in every process and at every time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBreakpoint {
    /// A name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it stops.
    pub location: Location,
    /// It stops only where this is not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Expression>,
    /// It stops only this thread: its number in the recording, else its tid in the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<u32>,
    /// How long it stays.
    #[serde(default, skip_serializing_if = "Lifetime::is_until_cleared")]
    pub lifetime: Lifetime,
}

impl NewBreakpoint {
    /// One that stops every thread at every arrival, until it is removed.
    pub const fn at(location: Location) -> Self {
        Self {
            name: None,
            location,
            condition: None,
            thread: None,
            lifetime: Lifetime::UntilCleared,
        }
    }
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

/// Another change of a breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewHitCondition {
    /// Which one.
    pub breakpoint: BreakpointId,
    /// At which of its hits it stops from now on; at all if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<HitCondition>,
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
