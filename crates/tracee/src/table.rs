//! What an address space holds.

use std::collections::BTreeMap;

use retake_model::{Addr, AddrRange, Mapping, Protection};

/// The mappings of one address space. Recorder and replayer apply the same changes in the same order
/// and so hold equal tables; neighbours are merged when one continues the other, as the kernel does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingTable {
    by_start: BTreeMap<Addr, Mapping>,
}

impl MappingTable {
    /// A table of these mappings.
    pub fn new(mappings: impl IntoIterator<Item = Mapping>) -> Self {
        let mut table = Self::default();
        for mapping in mappings {
            table.map(mapping);
        }
        table
    }

    /// All of them, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.by_start.values()
    }

    /// All of them as a list.
    pub fn to_vec(&self) -> Vec<Mapping> {
        self.by_start.values().cloned().collect()
    }

    /// The mapping that `addr` lies in.
    pub fn find(&self, addr: Addr) -> Option<&Mapping> {
        let (_, mapping) = self.by_start.range(..=addr).next_back()?;
        mapping.range.contains(addr).then_some(mapping)
    }

    /// The parts of mappings that lie in `range`, in ascending order.
    pub fn parts(&self, range: AddrRange) -> Vec<Mapping> {
        let first = self.find(range.start()).map_or(range.start(), |m| m.range.start());
        self.by_start.range(first..range.end()).filter_map(|(_, m)| m.clip(range)).collect()
    }

    /// Removes everything in `range`.
    pub fn unmap(&mut self, range: AddrRange) {
        let first = self.find(range.start()).map_or(range.start(), |m| m.range.start());
        let touched: Vec<Addr> = self.by_start.range(first..range.end()).map(|(a, _)| *a).collect();
        for start in touched {
            let Some(mapping) = self.by_start.remove(&start) else {
                continue;
            };
            let below = AddrRange::new(mapping.range.start(), range.start());
            let above = AddrRange::new(range.end(), mapping.range.end());
            for part in [below, above].into_iter().flatten().filter(|p| !p.is_empty()) {
                if let Some(rest) = mapping.clip(part) {
                    self.by_start.insert(rest.range.start(), rest);
                }
            }
        }
    }

    /// Adds a mapping; whatever was at its addresses is gone.
    pub fn map(&mut self, mapping: Mapping) {
        if mapping.range.is_empty() {
            return;
        }
        self.unmap(mapping.range);
        let start = mapping.range.start();
        self.by_start.insert(start, mapping);
        self.merge_with_previous(start);
        if let Some((&next, _)) = self
            .by_start
            .range((std::ops::Bound::Excluded(start), std::ops::Bound::Unbounded))
            .next()
        {
            self.merge_with_previous(next);
        }
    }

    fn merge_with_previous(&mut self, start: Addr) {
        let Some(mapping) = self.by_start.get(&start) else {
            return;
        };
        let Some((&before, previous)) = self.by_start.range(..start).next_back() else {
            return;
        };
        let continues = previous.range.end() == start
            && previous.prot == mapping.prot
            && previous.grows_down == mapping.grows_down
            && previous.backing_at(start) == Some(mapping.backing);
        if !continues {
            return;
        }
        if let Some(range) = AddrRange::new(before, mapping.range.end()) {
            self.by_start.remove(&start);
            if let Some(previous) = self.by_start.get_mut(&before) {
                previous.range = range;
            }
        }
    }

    /// Changes the protection of everything in `range`.
    pub fn protect(&mut self, range: AddrRange, prot: Protection) {
        for part in self.parts(range) {
            self.map(Mapping { prot, ..part });
        }
    }

    /// Moves what is in `from` to `to` (`mremap`). Where `to` is longer, the last mapping goes on;
    /// where it is shorter, the rest is gone. With `keep`, the old range stays mapped.
    pub fn move_range(&mut self, from: AddrRange, to: AddrRange, keep: bool) {
        let parts = self.parts(from);
        if !keep {
            self.unmap(from);
        }
        self.unmap(to);
        let last = parts.len().saturating_sub(1);
        for (n, part) in parts.into_iter().enumerate() {
            let skip = part.range.start().offset_from(from.start()).unwrap_or(0);
            let Some(start) = to.start().checked_add(skip) else {
                continue;
            };
            let len = if n == last { to.len().saturating_sub(skip) } else { part.range.len() };
            let Some(range) = AddrRange::with_len(start, len) else {
                continue;
            };
            if let Some(range) = range.intersection(to) {
                self.map(Mapping { range, ..part });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use retake_model::{Backing, FileId, FileOffset};

    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(Addr::new(start), Addr::new(end)).unwrap()
    }

    fn anonymous(start: u64, end: u64) -> Mapping {
        Mapping {
            range: range(start, end),
            prot: Protection::READ,
            backing: Backing::Anonymous,
            grows_down: false,
        }
    }

    fn show(table: &MappingTable) -> Vec<String> {
        table.iter().map(|m| format!("{} {}", m.range, m.prot)).collect()
    }

    #[test]
    fn unmapping_the_middle_leaves_both_ends() {
        let mut table = MappingTable::new([anonymous(0x1000, 0x5000)]);
        table.unmap(range(0x2000, 0x3000));
        assert_eq!(show(&table), ["0x1000-0x2000 r--", "0x3000-0x5000 r--"]);
    }

    #[test]
    fn neighbours_merge_only_when_they_continue() {
        let mut table = MappingTable::new([anonymous(0x1000, 0x2000), anonymous(0x2000, 0x3000)]);
        assert_eq!(show(&table), ["0x1000-0x3000 r--"]);
        table.protect(range(0x1000, 0x2000), Protection::NONE);
        assert_eq!(show(&table), ["0x1000-0x2000 ---", "0x2000-0x3000 r--"]);
        table.protect(range(0x1000, 0x2000), Protection::READ);
        assert_eq!(show(&table), ["0x1000-0x3000 r--"]);
        let file = |start, end, offset| Mapping {
            backing: Backing::File { file: FileId::new(1), offset: FileOffset::new(offset) },
            ..anonymous(start, end)
        };
        let table = MappingTable::new([file(0x1000, 0x2000, 0), file(0x2000, 0x3000, 0)]);
        assert_eq!(table.iter().count(), 2);
    }

    #[test]
    fn clipping_a_file_mapping_moves_its_offset() {
        let mut table = MappingTable::new([Mapping {
            backing: Backing::File { file: FileId::new(1), offset: FileOffset::new(0x10_000) },
            ..anonymous(0x1000, 0x4000)
        }]);
        table.unmap(range(0x1000, 0x3000));
        let rest = table.find(Addr::new(0x3000)).unwrap();
        assert_eq!(
            rest.backing,
            Backing::File { file: FileId::new(1), offset: FileOffset::new(0x12_000) }
        );
    }

    #[test]
    fn moving_grows_the_last_part() {
        let mut table = MappingTable::new([anonymous(0x1000, 0x2000)]);
        table.move_range(range(0x1000, 0x2000), range(0x8000, 0xb000), false);
        assert_eq!(show(&table), ["0x8000-0xb000 r--"]);
        table.move_range(range(0x8000, 0xb000), range(0x8000, 0x9000), false);
        assert_eq!(show(&table), ["0x8000-0x9000 r--"]);
    }
}
