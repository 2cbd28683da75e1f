//! The code of an entry: what its attributes say (DWARF 5 §2.17).

use gimli::{Attribute, AttributeValue, Dwarf, Unit, constants};

use crate::elf::Elf;
use crate::sections::Slice;

/// The attributes that are about code.
#[derive(Debug, Default)]
pub(crate) struct EntryCode<'a> {
    low: Option<AttributeValue<Slice<'a>>>,
    high: Option<AttributeValue<Slice<'a>>>,
    ranges: Option<AttributeValue<Slice<'a>>>,
    entry: Option<AttributeValue<Slice<'a>>>,
}

fn address<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    value: Option<AttributeValue<Slice<'a>>>,
) -> Option<u64> {
    dwarf.attr_address(unit, value?).ok().flatten()
}

impl<'a> EntryCode<'a> {
    /// Takes an attribute, if it is one of these.
    pub(crate) fn add(&mut self, attribute: &Attribute<Slice<'a>>) {
        let kept = match attribute.name() {
            constants::DW_AT_low_pc => &mut self.low,
            constants::DW_AT_high_pc => &mut self.high,
            constants::DW_AT_ranges => &mut self.ranges,
            constants::DW_AT_entry_pc => &mut self.entry,
            _ => return,
        };
        *kept = Some(attribute.value());
    }

    /// The code, in the order in which DWARF has it.
    pub(crate) fn ranges(
        &self,
        elf: &Elf,
        dwarf: &Dwarf<Slice<'a>>,
        unit: &Unit<Slice<'a>>,
    ) -> Vec<(u64, u64)> {
        let is_code = |range: &(u64, u64)| range.0 < range.1 && elf.is_code(range.0);
        let list = self.ranges.map(|value| dwarf.attr_ranges(unit, value));
        if let Some(Ok(Some(mut list))) = list {
            let next = || list.next().ok().flatten().map(|range| (range.begin, range.end));
            return std::iter::from_fn(next).filter(is_code).collect();
        }
        let Some(low) = address(dwarf, unit, self.low) else { return Vec::new() };
        let end = match self.high {
            Some(AttributeValue::Udata(size)) => low.checked_add(size),
            _ => address(dwarf, unit, self.high),
        };
        end.map(|end| (low, end)).filter(is_code).into_iter().collect()
    }

    /// Where the code is entered (DWARF 5 §2.18), if that is said.
    pub(crate) fn entry(&self, dwarf: &Dwarf<Slice<'a>>, unit: &Unit<Slice<'a>>) -> Option<u64> {
        address(dwarf, unit, self.entry)
    }
}
