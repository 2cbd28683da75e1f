//! The numbers of entries: one space for all files that the debug information of a module lies in.

use std::collections::BTreeMap;
use std::sync::Arc;

use gimli::{AttributeValue, Reader};

/// Entries of a file are numbered from a multiple of this. No section is that large.
const FILE: usize = 1 << 40;
/// Those of `.debug_types` (DWARF 4) follow this far behind the ones of `.debug_info` of the same file.
const TYPES: usize = FILE / 2;
/// So many parts have numbers, and so many types of a package.
pub(super) const MAX_PARTS: usize = 1 << 20;
/// Where the file that modules share comes in the order of files.
const SUPPLEMENT: usize = MAX_PARTS + 1;

/// Which file entries lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    /// The module's own.
    Own,
    /// A part that was split off, by its number.
    Part(usize),
    /// The one that several modules share, which `dwz` makes.
    Supplement,
    /// A type that was split off to a package, by its row in the package's index.
    TypeOfPackage(usize),
}

/// Which section of its file an entry is in, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// `.debug_info`
    Info(usize),
    /// `.debug_types`
    Types(usize),
}

impl Home {
    /// What the numbers of its entries are counted from.
    pub(super) const fn base(self) -> usize {
        let index = match self {
            Self::Own => 0,
            Self::Part(part) => 1 + part,
            Self::Supplement => SUPPLEMENT,
            Self::TypeOfPackage(row) => SUPPLEMENT + 1 + row,
        };
        index.saturating_mul(FILE)
    }

    /// The file and the place of a number.
    pub(super) fn of(number: usize) -> (Self, Inside) {
        let home = match number / FILE {
            0 => Self::Own,
            index if index < SUPPLEMENT => Self::Part(index - 1),
            SUPPLEMENT => Self::Supplement,
            index => Self::TypeOfPackage(index - SUPPLEMENT - 1),
        };
        let inside = number % FILE;
        match inside.checked_sub(TYPES) {
            None => (home, Inside::Info(inside)),
            Some(inside) => (home, Inside::Types(inside)),
        }
    }

    /// The number of a place in its `.debug_types`.
    pub(super) const fn number_of_type(self, offset: usize) -> usize {
        self.base().saturating_add(TYPES).saturating_add(offset)
    }
}

/// The numbers of types by their signatures (DWARF 5 §7.32).
pub(super) type Signatures = Arc<BTreeMap<u64, usize>>;

/// What the entries of a file refer to.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// What offsets of the file's `.debug_info` are counted from.
    pub(super) base: usize,
    pub(super) signatures: Signatures,
}

impl References {
    /// The number of the entry that an attribute refers to, in a unit whose first byte has the number `start`.
    pub fn number<R>(&self, start: usize, value: &AttributeValue<R>) -> Option<usize>
    where
        R: Reader<Offset = usize>,
    {
        match value {
            AttributeValue::UnitRef(offset) => start.checked_add(offset.0),
            AttributeValue::DebugInfoRef(offset) => self.base.checked_add(offset.0),
            AttributeValue::DebugInfoRefSup(offset) => {
                Home::Supplement.base().checked_add(offset.0)
            }
            AttributeValue::DebugTypesRef(signature) => self.signatures.get(&signature.0).copied(),
            _ => None,
        }
    }

    /// The number of an offset of the file's `.debug_info`.
    pub fn in_file(&self, offset: usize) -> usize {
        self.base.saturating_add(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_number_of_its_own() {
        let homes = [
            Home::Own,
            Home::Part(0),
            Home::Part(MAX_PARTS - 1),
            Home::Supplement,
            Home::TypeOfPackage(0),
            Home::TypeOfPackage(MAX_PARTS - 1),
        ];
        for home in homes {
            assert_eq!(Home::of(home.base() + 77), (home, Inside::Info(77)));
            assert_eq!(Home::of(home.number_of_type(77)), (home, Inside::Types(77)));
        }
    }
}
