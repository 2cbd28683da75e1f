//! Whether it is worth while to run a task from its cache for the sake of calls in a row.
//!
//! What it runs between them has to be translated, which costs more than some stops: where that is much, and new, the
//! task goes on natively.

use retake_model::{EventIndex, SpaceId};

use crate::machine::Machine;

/// So many events that begin a row are passed before an address space gets a cache for that.
const BEFORE_CACHE: u64 = 64;
/// Blocks that are translated for one row at most.
const MOST_BLOCKS: u64 = 512;
/// Events without a try after one that was given up: the first time, and at most.
const WAIT: (u64, u64) = (64, 8192);

/// What came of tries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patience {
    /// The next try is at this event or later.
    from: Option<EventIndex>,
    /// How many events the last wait was long.
    waited: u64,
    /// An address space without a cache, and how many events there began a row.
    passed: Option<(SpaceId, u64)>,
    /// The try under way ends when the cache has had so many blocks.
    limit: Option<u64>,
}

impl Patience {
    /// Whether a row that begins at an event is tried.
    pub(super) fn allows(&self, event: EventIndex) -> bool {
        self.from.is_none_or(|from| event >= from)
    }

    /// A row began in an address space without a cache. Whether there have been enough for one.
    pub(super) fn is_cache_due(&mut self, space: SpaceId) -> bool {
        let before = self.passed.filter(|(other, _)| *other == space).map_or(0, |(_, n)| n);
        self.passed = Some((space, before + 1));
        before >= BEFORE_CACHE
    }

    fn gave_up(&mut self, event: EventIndex) {
        self.waited = (self.waited * 2).clamp(WAIT.0, WAIT.1);
        self.from = Some(EventIndex::new(event.get() + self.waited));
    }
}

impl Machine {
    /// A try begins.
    pub(super) fn be_patient(&mut self, space: SpaceId) {
        let runs_so_anyway = self.runs_from_cache();
        let blocks = self.blocks(space).filter(|_| !runs_so_anyway);
        self.patience.limit = blocks.map(|blocks| blocks + MOST_BLOCKS);
    }

    /// Whether the try under way is to be given up.
    pub(super) fn is_impatient(&mut self, space: SpaceId) -> bool {
        let limit = self.patience.limit;
        limit.is_some_and(|limit| self.blocks(space).is_some_and(|blocks| blocks > limit))
    }

    /// The try is over. Whether it was given up.
    pub(super) fn end_patience(&mut self, space: SpaceId) -> bool {
        let given_up = self.is_impatient(space);
        self.patience.limit = None;
        match given_up {
            true => self.patience.gave_up(self.done),
            false => self.patience.waited = 0,
        }
        given_up
    }

    /// Blocks that the cache of an address space has had.
    fn blocks(&mut self, space: SpaceId) -> Option<u64> {
        self.caches.get(space).map(|cache| cache.statistics().blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_that_are_given_up_become_rare() {
        let mut patience = Patience::default();
        let mut at = EventIndex::ZERO;
        let mut tries = 0;
        while at.get() < 100_000 {
            if patience.allows(at) {
                tries += 1;
                patience.gave_up(at);
            }
            at = at.next();
        }
        assert!((15..25).contains(&tries), "{tries}");
    }

    #[test]
    fn a_cache_is_for_those_that_make_many_calls() {
        let mut patience = Patience::default();
        let (one, other) = (SpaceId::new(1), SpaceId::new(2));
        assert!((0..BEFORE_CACHE).all(|_| !patience.is_cache_due(one)));
        assert!(patience.is_cache_due(one) && !patience.is_cache_due(other));
        assert!(!patience.is_cache_due(one), "its calls are counted anew");
    }
}
