//! The full page lists of address spaces, kept from checkpoint to checkpoint.

use std::collections::BTreeMap;

use retake_model::{AddrRange, Mapping, PageAddr, PageId, SharedId, SpaceId};

use crate::checkpoints::checkpoint::{Checkpoint, SharedState, SpaceState};

/// What every space and shared object holds after a checkpoint. Reader and writer apply the same
/// changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved {
    spaces: BTreeMap<SpaceId, BTreeMap<PageAddr, PageId>>,
    shared: BTreeMap<SharedId, BTreeMap<u64, PageId>>,
}

fn drop_range(pages: &mut BTreeMap<PageAddr, PageId>, range: AddrRange) {
    let gone: Vec<PageAddr> = pages
        .range(range.start().page()..)
        .map(|(page, _)| *page)
        .take_while(|page| page.addr() < range.end())
        .collect();
    for page in gone {
        pages.remove(&page);
    }
}

fn drop_unmapped(pages: &mut BTreeMap<PageAddr, PageId>, mappings: &[Mapping]) {
    let mut at = retake_model::Addr::NULL;
    for mapping in mappings {
        if let Some(gap) = AddrRange::new(at, mapping.range.start()) {
            drop_range(pages, gap);
        }
        at = mapping.range.end();
    }
    if let Some(rest) = AddrRange::new(at, retake_model::Addr::new(u64::MAX)) {
        drop_range(pages, rest);
    }
}

impl Resolved {
    /// Applies a stored checkpoint.
    pub(crate) fn apply(&mut self, checkpoint: &Checkpoint) {
        let mut spaces = BTreeMap::new();
        for state in &checkpoint.spaces {
            let mut pages = self.spaces.remove(&state.space).unwrap_or_default();
            if checkpoint.complete {
                pages.clear();
            }
            for range in &state.cleared {
                drop_range(&mut pages, *range);
            }
            drop_unmapped(&mut pages, &state.mappings);
            pages.extend(state.pages.iter().copied());
            spaces.insert(state.space, pages);
        }
        self.spaces = spaces;
        let mut shared = BTreeMap::new();
        for state in &checkpoint.shared {
            let mut pages = self.shared.remove(&state.shared).unwrap_or_default();
            if checkpoint.complete {
                pages.clear();
            }
            pages.extend(state.pages.iter().copied());
            shared.insert(state.shared, pages);
        }
        self.shared = shared;
    }

    pub(crate) fn page(&self, space: SpaceId, page: PageAddr) -> Option<PageId> {
        self.spaces.get(&space)?.get(&page).copied()
    }

    pub(crate) fn shared_page(&self, shared: SharedId, page: u64) -> Option<PageId> {
        self.shared.get(&shared)?.get(&page).copied()
    }

    /// The pages of a shared object that are listed.
    pub(crate) fn shared_pages(&self, shared: SharedId) -> Vec<u64> {
        self.shared.get(&shared).map(|pages| pages.keys().copied().collect()).unwrap_or_default()
    }

    /// Replaces the page lists of a checkpoint by the full ones.
    pub(crate) fn complete(&self, checkpoint: &mut Checkpoint) {
        checkpoint.complete = true;
        for SpaceState { space, pages, cleared, .. } in &mut checkpoint.spaces {
            cleared.clear();
            *pages = self
                .spaces
                .get(space)
                .map(|pages| pages.iter().map(|(a, id)| (*a, *id)).collect())
                .unwrap_or_default();
        }
        for SharedState { shared, pages, .. } in &mut checkpoint.shared {
            *pages = self
                .shared
                .get(shared)
                .map(|pages| pages.iter().map(|(n, id)| (*n, *id)).collect())
                .unwrap_or_default();
        }
    }
}
