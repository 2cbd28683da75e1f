//! Requests for names.

use serde::{Deserialize, Serialize};

/// Names that a program has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesRequest {
    /// Of what.
    pub of: NamesOf,
    /// A regular expression that they match; all of the program's own without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// So many at most.
    pub most: usize,
}

/// What has names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamesOf {
    /// Functions.
    Functions,
    /// Types.
    Types,
    /// Source files.
    Sources,
    /// The program and its libraries, where they are at this moment.
    Libraries,
}
