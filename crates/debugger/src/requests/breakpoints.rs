//! Requests about breakpoints.

use serde::{Deserialize, Serialize};

use crate::BreakpointId;
use crate::location::Location;

/// A breakpoint that is to be set, in every process and at every time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBreakpoint {
    /// Where it stops.
    pub location: Location,
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
