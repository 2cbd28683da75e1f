//! Which pages of an address space changed since the last checkpoint.

use std::collections::BTreeSet;

use retake_model::{AddrRange, Backing, Mapping, PageAddr};
use retake_ptrace::{PageMap, PageScan, PtraceError, WriteTracker};

/// Write-tracking of one address space. Without a tracker every private page counts as changed.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    tracker: Option<WriteTracker>,
    /// Ranges that are tracked since a checkpoint took all their pages, in ascending order.
    covered: Vec<AddrRange>,
    /// Pages that were found changed since the last checkpoint, but not by one.
    pending: BTreeSet<PageAddr>,
    /// Pages that were found changed since the last event in the middle of code or checkpoint.
    unplaced: BTreeSet<PageAddr>,
    /// Whether making a tracker was tried.
    pub(crate) tried: bool,
}

impl Tracking {
    pub(crate) fn set_tracker(&mut self, tracker: WriteTracker) {
        self.tracker = Some(tracker);
    }

    /// `range` was mapped anew, moved or discarded: it is not tracked any more.
    pub(crate) fn forget(&mut self, range: AddrRange) {
        let mut rest = Vec::with_capacity(self.covered.len() + 1);
        for &part in &self.covered {
            rest.extend(AddrRange::new(part.start(), range.start().min(part.end())));
            rest.extend(AddrRange::new(range.end().max(part.start()), part.end()));
        }
        rest.retain(|part| !part.is_empty());
        self.covered = rest;
    }

    /// `range` was mapped, or moved there, next to other private memory. The kernel makes one mapping of
    /// such neighbours only while all of them are registered or none is, and decides it when a page of
    /// the new one is first written; `mremap` takes no more than one (`EFAULT`, mremap(2)).
    pub(crate) fn join(&self, range: AddrRange) {
        if let Some(tracker) = &self.tracker {
            // What cannot be tracked is a mapping of its own without us, too.
            let _ = tracker.track(range);
        }
    }

    /// The program moves `range`, or changes its length: it must be one mapping, if it is without us. It
    /// is not tracked any more.
    pub(crate) fn release(&mut self, range: AddrRange) {
        self.forget(range);
        if let Some(tracker) = &self.tracker {
            // Where it fails, nothing was tracked.
            let _ = tracker.untrack(range);
        }
    }

    /// Private pages of `mapping` that may have changed since the last checkpoint, in ascending
    /// order; from here on the next ones are watched for.
    pub(crate) fn changed(
        &mut self,
        map: &PageMap,
        mapping: &Mapping,
        found: &mut Vec<PageAddr>,
    ) -> Result<(), PtraceError> {
        self.placed();
        let first = found.len();
        self.written(map, mapping, found)?;
        let range = mapping.range.start().page()..mapping.range.end().page();
        let pending: Vec<PageAddr> = self.pending.range(range).copied().collect();
        if !pending.is_empty() {
            for page in &pending {
                self.pending.remove(page);
            }
            let mut all = found.split_off(first);
            all.extend(pending);
            all.sort_unstable();
            all.dedup();
            found.extend(all);
        }
        Ok(())
    }

    /// Private pages of `mapping` that may have changed since the last checkpoint or call of
    /// [`Self::placed`], in ascending order.
    pub(crate) fn written_since(
        &mut self,
        map: &PageMap,
        mapping: &Mapping,
        found: &mut Vec<PageAddr>,
    ) -> Result<(), PtraceError> {
        if self.tracker.is_none() {
            return self.written(map, mapping, found);
        }
        let mut fresh = Vec::new();
        self.written(map, mapping, &mut fresh)?;
        self.pending.extend(&fresh);
        self.unplaced.extend(fresh);
        let range = mapping.range.start().page()..mapping.range.end().page();
        found.extend(self.unplaced.range(range));
        Ok(())
    }

    /// An event in the middle of code has the pages that were found.
    pub(crate) fn placed(&mut self) {
        self.unplaced.clear();
    }

    fn written(
        &mut self,
        map: &PageMap,
        mapping: &Mapping,
        found: &mut Vec<PageAddr>,
    ) -> Result<(), PtraceError> {
        debug_assert!(!matches!(mapping.backing, Backing::Shared { .. }));
        let Some(tracker) = &self.tracker else {
            return map.private_pages(mapping.range, found);
        };
        let mut fresh = Vec::new();
        let mut protected = Vec::new();
        for (part, is_covered) in parts(&self.covered, mapping.range) {
            if is_covered {
                map.written(part, PageScan::Reset, found)?;
                continue;
            }
            // All of them: what was tracked before and is taken again has pages that a scan has
            // protected since, and that do not count as written.
            all_pages(tracker, map, part, found)?;
            if tracker.track(part).is_ok() {
                fresh.push(part);
                protected.clear();
                map.written(part, PageScan::Reset, &mut protected)?;
            }
        }
        self.cover(fresh);
        Ok(())
    }

    /// Pages of `range` that have contents of their own. It is not tracked any more.
    pub(crate) fn own_pages(
        &mut self,
        map: &PageMap,
        range: AddrRange,
        found: &mut Vec<PageAddr>,
    ) -> Result<(), PtraceError> {
        self.forget(range);
        match &self.tracker {
            Some(tracker) => all_pages(tracker, map, range, found),
            None => map.private_pages(range, found),
        }
    }

    fn cover(&mut self, fresh: Vec<AddrRange>) {
        if fresh.is_empty() {
            return;
        }
        self.covered.extend(fresh);
        self.covered.sort_unstable_by_key(|part| part.start());
        self.covered.dedup_by(|next, part| {
            let joined = (next.start() <= part.end())
                .then(|| AddrRange::new(part.start(), part.end().max(next.end())))
                .flatten();
            joined.is_some_and(|joined| {
                *part = joined;
                true
            })
        });
    }
}

/// Every private page of a range, which is not tracked any more: pages that were cut off while it was
/// have left marks that would count as well.
fn all_pages(
    tracker: &WriteTracker,
    map: &PageMap,
    range: AddrRange,
    found: &mut Vec<PageAddr>,
) -> Result<(), PtraceError> {
    // Where it fails, nothing was tracked.
    let _ = tracker.untrack(range);
    map.private_pages(range, found)
}

/// Cuts `range` where it passes from tracked to untracked memory. `covered` is in ascending order.
fn parts(covered: &[AddrRange], range: AddrRange) -> Vec<(AddrRange, bool)> {
    let mut list = Vec::new();
    let mut at = range.start();
    let mut push = |from, to, is_covered| {
        if let Some(part) = AddrRange::new(from, to).filter(|part| !part.is_empty()) {
            list.push((part, is_covered));
        }
    };
    for part in covered {
        let (from, to) = (part.start().max(at), part.end().min(range.end()));
        if from < to {
            push(at, from, false);
            push(from, to, true);
            at = to;
        }
    }
    push(at, range.end(), false);
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_model::Addr;

    fn range(from: u64, to: u64) -> AddrRange {
        AddrRange::new(Addr::new(from * 0x1000), Addr::new(to * 0x1000)).unwrap()
    }

    #[test]
    fn a_range_is_cut_where_tracking_begins_and_ends() {
        let covered = [range(1, 3), range(5, 6), range(8, 20)];
        assert_eq!(
            parts(&covered, range(2, 10)),
            [
                (range(2, 3), true),
                (range(3, 5), false),
                (range(5, 6), true),
                (range(6, 8), false),
                (range(8, 10), true)
            ]
        );
        assert_eq!(parts(&covered, range(30, 31)), [(range(30, 31), false)]);
        assert_eq!(parts(&covered, range(9, 12)), [(range(9, 12), true)]);
    }

    #[test]
    fn covered_ranges_join_and_are_forgotten_in_part() {
        let mut tracking = Tracking::default();
        tracking.cover(vec![range(5, 7), range(1, 3)]);
        tracking.cover(vec![range(3, 5), range(9, 10)]);
        assert_eq!(tracking.covered, [range(1, 7), range(9, 10)]);
        tracking.forget(range(2, 4));
        assert_eq!(tracking.covered, [range(1, 2), range(4, 7), range(9, 10)]);
    }
}
