//! Which code an entry covers.

use gimli::{AttributeValue, DebuggingInformationEntry, Dwarf, RangeIter, Reader, Unit};

/// The ranges of an entry (DWARF 5, 2.17). gimli adds length and start without a look at what comes out
/// (`Dwarf::die_ranges`): what goes beyond the last address is an error here.
pub fn die_ranges<R: Reader<Offset = usize>>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
    entry: &DebuggingInformationEntry<'_, '_, R>,
) -> gimli::Result<RangeIter<R>> {
    if let Some(AttributeValue::Udata(len)) = entry.attr_value(gimli::DW_AT_high_pc)?
        && let Some(start) = entry.attr_value(gimli::DW_AT_low_pc)?
        && let Some(start) = dwarf.attr_address(unit, start)?
        && start.checked_add(len).is_none()
    {
        return Err(gimli::Error::AddressOverflow);
    }
    dwarf.die_ranges(unit, entry)
}

/// The ranges of a unit: those of its first entry.
pub fn unit_ranges<R: Reader<Offset = usize>>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
) -> gimli::Result<RangeIter<R>> {
    let mut entries = unit.entries();
    entries.next_dfs()?;
    let first = entries.current().ok_or(gimli::Error::MissingUnitDie)?;
    die_ranges(dwarf, unit, first)
}

#[cfg(test)]
mod tests {
    use gimli::{EndianSlice, LittleEndian, SectionId};

    use super::*;

    /// A unit that is one function of `len` bytes at `start`, in DWARF 4.
    fn ranges(start: u64, len: u64) -> gimli::Result<Option<(u64, u64)>> {
        // DW_TAG_subprogram: DW_AT_low_pc by DW_FORM_addr, DW_AT_high_pc by DW_FORM_data8.
        let kinds = [1, 0x2e, 0, 0x11, 0x01, 0x12, 0x07, 0, 0, 0];
        let mut info = vec![24, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 1];
        info.extend(start.to_le_bytes());
        info.extend(len.to_le_bytes());
        let dwarf = Dwarf::load(|id| {
            let bytes: &[u8] = match id {
                SectionId::DebugInfo => &info,
                SectionId::DebugAbbrev => &kinds,
                _ => &[],
            };
            Ok::<_, gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        })?;
        let header = dwarf.units().next()?.unwrap();
        let found = unit_ranges(&dwarf, &dwarf.unit(header)?)?.next()?;
        Ok(found.map(|range| (range.begin, range.end)))
    }

    #[test]
    fn a_length_that_goes_beyond_the_last_address() {
        assert_eq!(ranges(0x1000, 0x20), Ok(Some((0x1000, 0x1020))));
        assert_eq!(ranges(0x1000, u64::MAX), Err(gimli::Error::AddressOverflow));
    }
}
