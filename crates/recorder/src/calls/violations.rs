//! What the audit found.

use std::collections::BTreeMap;

/// So many violations are told.
pub(super) const MOST: usize = 100;

/// What was found so far: one sentence for each call, by what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(super) found: BTreeMap<String, String>,
}

impl Audit {
    /// Every violation.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.found.values().take(MOST).cloned().collect()
    }

    pub(super) fn add(&mut self, key: String, text: String) {
        self.found.entry(key).or_insert(text);
    }
}
