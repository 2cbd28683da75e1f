//! Which pages of an address space changed since the last checkpoint.

use retake_model::{AddrRange, Backing, Mapping, PageAddr};
use retake_ptrace::{PageMap, PageScan, PtraceError, WriteTracker};

/// Write-tracking of one address space. Without a tracker every private page counts as changed.
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    tracker: Option<WriteTracker>,
    /// Ranges that are tracked since a checkpoint took all their pages.
    covered: Vec<AddrRange>,
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

    /// Private pages of `mapping` that may have changed since the last checkpoint, in ascending
    /// order; from here on the next ones are watched for.
    pub(crate) fn changed(
        &mut self,
        map: &PageMap,
        mapping: &Mapping,
        found: &mut Vec<PageAddr>,
    ) -> Result<(), PtraceError> {
        debug_assert!(!matches!(mapping.backing, Backing::Shared { .. }));
        let Some(tracker) = &self.tracker else {
            return map.private_pages(mapping.range, found);
        };
        if self.covered.iter().any(|c| c.contains_range(mapping.range)) {
            let mut runs = Vec::new();
            map.written(mapping.range, PageScan::Reset, &mut runs)?;
            for run in runs {
                // A page that was never touched also counts as written for the kernel.
                map.private_pages(run, found)?;
            }
            return Ok(());
        }
        let covered = tracker.track(mapping.range).is_ok();
        map.private_pages(mapping.range, found)?;
        self.forget(mapping.range);
        if covered {
            self.covered.push(mapping.range);
        }
        Ok(())
    }
}
