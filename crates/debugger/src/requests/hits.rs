//! Parts of long lists.

use serde::{Deserialize, Serialize};

/// The part of a list that is wanted: all of it by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRequest {
    /// How many items are skipped.
    #[serde(default)]
    pub from: usize,
    /// How many follow at most; all if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}
