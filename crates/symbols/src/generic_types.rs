//! Generic types of Rust, as entries are gone through: the functions right below them are instances for them.

use gimli::{Abbreviation, AttributeValue, Dwarf, EntriesRaw, Unit, constants};

use crate::sections::Slice;

/// The generic types that the current entry of a unit is in.
#[derive(Debug)]
pub(crate) struct GenericTypes<'a> {
    /// Only Rust's older mangling leaves their arguments out.
    is_rust: bool,
    /// Depth and name (`Boxed<u8>`), the outermost first.
    around: Vec<(isize, &'a [u8])>,
}

impl<'a> GenericTypes<'a> {
    /// Of a unit whose entries come from the first one on.
    pub(crate) fn of(unit: &Unit<Slice<'a>>) -> Self {
        let language = || {
            let mut entries = unit.entries();
            let (_, root) = entries.next_dfs().ok()??;
            root.attr_value(constants::DW_AT_language).ok()?
        };
        let is_rust = language() == Some(AttributeValue::Language(constants::DW_LANG_Rust));
        Self { is_rust, around: Vec::new() }
    }

    /// Leaves those that an entry at a depth is not in.
    pub(crate) fn leave(&mut self, depth: isize) {
        while self.around.pop_if(|(outer, _)| *outer >= depth).is_some() {}
    }

    /// The type that an entry at a depth is right below.
    pub(crate) fn owner(&self, depth: isize) -> Option<&'a [u8]> {
        self.around.last().filter(|(outer, _)| outer + 1 == depth).map(|(_, name)| *name)
    }

    /// Goes over the attributes of a structure. None if they are damaged.
    pub(crate) fn enter(
        &mut self,
        entries: &mut EntriesRaw<'_, '_, Slice<'a>>,
        abbreviation: &Abbreviation,
        depth: isize,
        dwarf: &Dwarf<Slice<'a>>,
        unit: &Unit<Slice<'a>>,
    ) -> Option<()> {
        let attributes = abbreviation.attributes();
        // A type without anything in it has no functions.
        if !self.is_rust || !abbreviation.has_children() {
            return entries.skip_attributes(attributes).ok();
        }
        for spec in attributes {
            let attribute = entries.read_attribute(*spec).ok()?;
            if attribute.name() == constants::DW_AT_name {
                let name = dwarf.attr_string(unit, attribute.value()).ok();
                let name = name.map(|name| name.slice()).filter(|name| name.ends_with(b">"));
                self.around.extend(name.map(|name| (depth, name)));
            }
        }
        Some(())
    }
}
