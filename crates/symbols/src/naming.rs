//! The names that DWARF has for functions. An inlined copy and a method refer to the entry that has
//! the name, which may be in another unit: in Rust and with link-time optimization very often.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use gimli::{
    AttributeValue, DebugInfoOffset, DebuggingInformationEntry, Dwarf, Unit, UnitHeader,
    UnitOffset, constants,
};

use crate::names::FunctionName;
use crate::sections::Slice;
use crate::split::headers;

/// How far references between entries are followed; compilers need three.
const MAX_REFERENCES: usize = 8;

type Entry<'a, 'u> = DebuggingInformationEntry<'u, 'u, Slice<'a>>;

/// Finds names. It keeps the units that it came to.
pub(crate) struct Namer<'d, 'a> {
    dwarf: &'d Dwarf<Slice<'a>>,
    /// In the order of their offsets.
    headers: Vec<(usize, UnitHeader<Slice<'a>>)>,
    units: RefCell<BTreeMap<usize, Rc<Unit<Slice<'a>>>>>,
}

#[derive(Default)]
struct Names {
    name: Option<String>,
    linkage: Option<String>,
}

impl<'d, 'a> Namer<'d, 'a> {
    pub(crate) fn new(dwarf: &'d Dwarf<Slice<'a>>) -> Self {
        Self { dwarf, headers: headers(dwarf), units: RefCell::default() }
    }

    /// The names of an entry, which may be said by another one that it refers to.
    pub(crate) fn name_of(
        &self,
        unit: &Unit<Slice<'a>>,
        entry: &Entry<'a, '_>,
    ) -> Option<FunctionName> {
        let mut names = Names::default();
        self.collect(&mut names, unit, entry, MAX_REFERENCES);
        FunctionName::from_dwarf(names.name.as_deref(), names.linkage.as_deref())
    }

    fn collect(
        &self,
        names: &mut Names,
        unit: &Unit<Slice<'a>>,
        entry: &Entry<'a, '_>,
        left: usize,
    ) {
        let text = |at| {
            let value = entry.attr_value(at).ok()??;
            let slice = self.dwarf.attr_string(unit, value).ok()?;
            Some(String::from_utf8_lossy(slice.slice()).into_owned())
        };
        if names.linkage.is_none() {
            names.linkage = text(constants::DW_AT_linkage_name)
                .or_else(|| text(constants::DW_AT_MIPS_linkage_name));
        }
        if names.name.is_none() {
            names.name = text(constants::DW_AT_name);
        }
        if (names.name.is_some() && names.linkage.is_some()) || left == 0 {
            return;
        }
        for at in [constants::DW_AT_abstract_origin, constants::DW_AT_specification] {
            match entry.attr_value(at) {
                Ok(Some(AttributeValue::UnitRef(offset))) => {
                    self.collect_at(names, unit, offset, left - 1);
                }
                Ok(Some(AttributeValue::DebugInfoRef(offset))) => {
                    let Some((unit, offset)) = self.elsewhere(offset) else { continue };
                    self.collect_at(names, &unit, offset, left - 1);
                }
                _ => {}
            }
        }
    }

    fn collect_at(
        &self,
        names: &mut Names,
        unit: &Unit<Slice<'a>>,
        offset: UnitOffset,
        left: usize,
    ) {
        if let Ok(entry) = unit.entry(offset) {
            self.collect(names, unit, &entry, left);
        }
    }

    /// The unit that an offset of `.debug_info` is in, and where.
    fn elsewhere(&self, offset: DebugInfoOffset) -> Option<(Rc<Unit<Slice<'a>>>, UnitOffset)> {
        let after = self.headers.partition_point(|(start, _)| *start <= offset.0);
        let (start, header) = self.headers.get(after.checked_sub(1)?)?;
        let inside = offset.to_unit_offset(header)?;
        let known = self.units.borrow().get(start).cloned();
        let unit = match known {
            Some(known) => known,
            None => {
                let unit = Rc::new(self.dwarf.unit(*header).ok()?);
                self.units.borrow_mut().insert(*start, Rc::clone(&unit));
                unit
            }
        };
        Some((unit, inside))
    }
}
