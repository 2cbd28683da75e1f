//! Ranges that a forked process gets differently.

use retake_model::{AddrRange, PageAddr};

/// What madvise(2) said about a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fork {
    /// `MADV_DONTFORK`: it is not there.
    Absent,
    /// `MADV_WIPEONFORK`: it is there, as zeroes.
    Wiped,
}

/// Ranges that a forked process gets differently. A range can have both marks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inheritance {
    pub(super) ranges: Vec<(AddrRange, Fork)>,
}

pub(super) fn without(range: AddrRange, gone: AddrRange) -> impl Iterator<Item = AddrRange> {
    let below = AddrRange::new(range.start(), gone.start().min(range.end()));
    let above = AddrRange::new(gone.end().max(range.start()), range.end());
    [below, above].into_iter().flatten().filter(|part| !part.is_empty())
}

impl Inheritance {
    /// Marks a range.
    pub(crate) fn mark(&mut self, range: AddrRange, mark: Fork) {
        self.unmark(range, mark);
        self.ranges.push((range, mark));
    }

    /// Takes a mark off a range.
    pub(crate) fn unmark(&mut self, range: AddrRange, mark: Fork) {
        let cut = |(part, own): (AddrRange, Fork)| {
            let rest = if own == mark { without(part, range).collect() } else { vec![part] };
            rest.into_iter().map(move |rest| (rest, own))
        };
        self.ranges = std::mem::take(&mut self.ranges).into_iter().flat_map(cut).collect();
    }

    /// Whether a forked process gets a page as it is.
    pub(crate) fn is_plain(&self, page: PageAddr) -> bool {
        !self.ranges.iter().any(|(part, _)| part.contains(page.addr()))
    }

    /// The range is not mapped any more, or anew.
    pub(crate) fn forget(&mut self, range: AddrRange) {
        if !self.ranges.is_empty() {
            self.unmark(range, Fork::Absent);
            self.unmark(range, Fork::Wiped);
        }
    }

    /// What was moved keeps its marks.
    pub(crate) fn moved(&mut self, from: AddrRange, to: AddrRange, keep: bool) {
        let marks: Vec<_> = self
            .ranges
            .iter()
            .filter_map(|(part, mark)| {
                let part = part.intersection(from)?;
                let skip = part.start().offset_from(from.start())?;
                let start = to.start().checked_add(skip)?;
                // What a growing mapping gains has the marks of its end.
                let grown = to.len().saturating_sub(from.len());
                let len = part.len() + if part.end() == from.end() { grown } else { 0 };
                AddrRange::with_len(start, len)?.intersection(to).map(|range| (range, *mark))
            })
            .collect();
        if !keep {
            self.forget(from);
        }
        self.forget(to);
        self.ranges.extend(marks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_model::Addr;

    fn range(from: u64, to: u64) -> AddrRange {
        AddrRange::new(Addr::new(from << 12), Addr::new(to << 12)).unwrap()
    }

    #[test]
    fn marks_are_cut_and_moved() {
        let mut marks = Inheritance::default();
        marks.mark(range(10, 20), Fork::Wiped);
        marks.mark(range(12, 14), Fork::Absent);
        marks.unmark(range(15, 16), Fork::Wiped);
        marks.forget(range(18, 30));
        let expected = [
            (range(10, 15), Fork::Wiped),
            (range(16, 18), Fork::Wiped),
            (range(12, 14), Fork::Absent),
        ];
        assert_eq!(marks.ranges, expected);
        marks.moved(range(16, 18), range(100, 105), false);
        assert!(marks.ranges.contains(&(range(100, 105), Fork::Wiped)));
        assert!(!marks.ranges.iter().any(|(part, _)| part.start() == range(16, 17).start()));
    }
}
