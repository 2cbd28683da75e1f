//! What caches did: the next bottleneck is read, not guessed.

/// What the cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Units of code that were translated.
    pub units: u64,
    /// Blocks in them.
    pub blocks: u64,
    /// Bytes of translated code, but for the cold.
    pub bytes: u64,
    /// Bytes of code that is seldom executed.
    pub cold: u64,
    /// Exits to code that was not translated yet, or not linked.
    pub moved: u64,
    /// Exits of indirect transfers.
    pub unknown: u64,
    /// Exits at instructions that are not executed from the cache.
    pub outside: u64,
    /// Exits at tests.
    pub tests: u64,
    /// Calls that did not stop the task, as their answers were supplied.
    pub supplied: u64,
    /// Blocks that were dropped because their code changed.
    pub dropped: u64,
    /// How often the cache was emptied.
    pub emptied: u64,
}

impl Statistics {
    /// Of two caches together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            units: self.units + other.units,
            blocks: self.blocks + other.blocks,
            bytes: self.bytes + other.bytes,
            cold: self.cold + other.cold,
            moved: self.moved + other.moved,
            unknown: self.unknown + other.unknown,
            outside: self.outside + other.outside,
            tests: self.tests + other.tests,
            supplied: self.supplied + other.supplied,
            dropped: self.dropped + other.dropped,
            emptied: self.emptied + other.emptied,
        }
    }
}
