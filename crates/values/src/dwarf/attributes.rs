//! Attributes of entries.

use gimli::{AttributeValue, DebuggingInformationEntry, DwAt, Reader};

use super::{Bytes, TypeId, UnitInfo};

pub(crate) type Entry<'a, 'u> = DebuggingInformationEntry<'a, 'u, Bytes>;

/// Longer names are cut: nobody reads them.
const MAX_NAME: usize = 4096;

/// A string.
pub(crate) fn text(unit: &UnitInfo, entry: &Entry<'_, '_>, at: DwAt) -> Option<String> {
    let value = entry.attr_value(at).ok()??;
    let bytes = unit.dwarf.attr_string(&unit.unit, value).ok()?;
    let bytes = bytes.to_slice().ok()?;
    let cut = bytes.get(..MAX_NAME).unwrap_or(&bytes);
    Some(String::from_utf8_lossy(cut).into_owned())
}

/// A number without a sign.
pub(crate) fn number(entry: &Entry<'_, '_>, at: DwAt) -> Option<u64> {
    entry.attr_value(at).ok()??.udata_value()
}

/// A line or file number.
pub(crate) fn line(entry: &Entry<'_, '_>, at: DwAt) -> Option<u32> {
    match entry.attr_value(at).ok()?? {
        AttributeValue::FileIndex(index) => u32::try_from(index).ok(),
        value => u32::try_from(value.udata_value()?).ok(),
    }
}

/// Whether a flag is set.
pub(crate) fn flag(entry: &Entry<'_, '_>, at: DwAt) -> bool {
    matches!(entry.attr_value(at), Ok(Some(AttributeValue::Flag(true))))
}

/// Another entry.
pub(crate) fn reference(unit: &UnitInfo, entry: &Entry<'_, '_>, at: DwAt) -> Option<TypeId> {
    unit.id_referred(&entry.attr_value(at).ok()??)
}
