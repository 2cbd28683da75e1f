//! Parts of long lists.

use serde::{Deserialize, Serialize};

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// How many items of the list come before.
    pub from: usize,
    /// How many items the list has in all.
    pub total: usize,
    /// The items.
    pub items: Vec<T>,
}
