//! Names.

use serde::{Deserialize, Serialize};

/// Names, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesView {
    /// How many there are.
    pub total: usize,
    /// As many of them as were wanted.
    pub names: Vec<String>,
}
