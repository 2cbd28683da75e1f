//! `mremap` in the replay.

use retake_abi::{Errno, nr};
use retake_model::{Addr, AddrRange, PAGE_SIZE};
use retake_tracee::read_maps;

use crate::failure::Failure;
use crate::live::{LiveTask, refused};

/// `MREMAP_MAYMOVE | MREMAP_FIXED` (mremap(2))
const MOVE: u64 = 3;
const DONTUNMAP: u64 = 4;

/// What to move where, and its new length, if `mappings` have to be moved one by one.
fn pieces(
    mappings: impl Iterator<Item = AddrRange>,
    from: AddrRange,
    to: AddrRange,
) -> Vec<(AddrRange, AddrRange)> {
    let all: Vec<AddrRange> = mappings.filter_map(|range| range.intersection(from)).collect();
    let last = all.len().saturating_sub(1);
    let piece = |(n, part): (usize, &AddrRange)| {
        let skip = part.start().offset_from(from.start())?;
        let left = to.len().checked_sub(skip).filter(|left| *left > 0)?;
        // What comes last goes on to the new end; where that comes before it, the rest is cut off.
        let len = if n == last { left } else { part.len().min(left) };
        Some((*part, AddrRange::with_len(to.start().checked_add(skip)?, len)?))
    };
    all.iter().enumerate().filter_map(piece).collect()
}

impl LiveTask {
    /// Moves `from` to `to`, or changes its length. With `keep`, the old range stays mapped, and empty.
    ///
    /// What was one mapping in the program can be several here: the kernel keeps those apart that were
    /// filled, or advised about, separately, and `mremap` takes no more than one (`EFAULT`).
    pub(crate) fn move_range(
        &mut self,
        from: AddrRange,
        to: AddrRange,
        keep: bool,
    ) -> Result<(), Failure> {
        if from.start() == to.start() {
            return self.resize(from, to);
        }
        let args = arguments(from, to, keep);
        match self.try_call(nr::MREMAP, args)? {
            Ok(_) => return Ok(()),
            Err(Errno::EFAULT) => {}
            Err(errno) => return Err(refused(nr::MREMAP, &args, errno)),
        }
        let mappings = read_maps(self.stopped.tid())?;
        for (from, to) in pieces(mappings.into_iter().map(|mapping| mapping.range), from, to) {
            self.call(nr::MREMAP, arguments(from, to, keep))?;
        }
        match from.start().checked_add(to.len()) {
            Some(end) if !keep => match AddrRange::new(end, from.end()) {
                Some(rest) if !rest.is_empty() => self.unmap(rest),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn resize(&mut self, from: AddrRange, to: AddrRange) -> Result<(), Failure> {
        if let Some(rest) = AddrRange::new(to.end(), from.end()) {
            return if rest.is_empty() { Ok(()) } else { self.unmap(rest) };
        }
        // Its last page stands for the mapping that grows.
        let last = Addr::new(from.end().get() - PAGE_SIZE);
        let args = [last.get(), PAGE_SIZE, to.end().get() - last.get(), 0, 0, 0];
        self.call(nr::MREMAP, args).map(drop)
    }
}

fn arguments(from: AddrRange, to: AddrRange, keep: bool) -> [u64; 6] {
    let flags = if keep { MOVE | DONTUNMAP } else { MOVE };
    [from.start().get(), from.len(), to.len(), flags, to.start().get(), 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(Addr::new(start << 12), Addr::new(end << 12)).unwrap()
    }

    #[test]
    fn mappings_are_moved_one_by_one() {
        let there = [range(1, 4), range(4, 6), range(6, 9), range(20, 30)];
        let moved = |from, to| pieces(there.into_iter(), from, to);
        assert_eq!(
            moved(range(2, 8), range(102, 110)),
            [
                (range(2, 4), range(102, 104)),
                (range(4, 6), range(104, 106)),
                (range(6, 8), range(106, 110)),
            ]
        );
        assert_eq!(
            moved(range(2, 8), range(102, 105)),
            [(range(2, 4), range(102, 104)), (range(4, 6), range(104, 105))]
        );
    }
}
