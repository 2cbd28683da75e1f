//! Requests that look at the selected task.

use serde::{Deserialize, Serialize};

use crate::expr::Expression;
use crate::location::Location;
use crate::watches::Access;

/// Some memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRange {
    /// The first address.
    pub addr: Expression,
    /// How many bytes.
    pub len: usize,
}

impl MemoryRange {
    /// Most bytes in one answer.
    pub const MAX_LEN: usize = 1 << 16;
}

/// Memory that is to be watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewWatch {
    /// Where.
    pub memory: MemoryRange,
    /// Which accesses count.
    pub access: Access,
}

/// Some source text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRequest {
    /// Where; at the selected task if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// Lines on each side.
    pub around: u32,
}
