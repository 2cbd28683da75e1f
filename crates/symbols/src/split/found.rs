//! The files that have the entries of units.

use gimli::{Dwarf, DwarfPackage, DwoId, SectionId, UnitType};

use super::{SplitFiles, SplitName, Taken};
use crate::bytes::SharedBytes;
use crate::sections::{DebugSections, Slice};

/// Where the entries of some units are.
#[derive(Debug)]
pub(crate) enum Part {
    /// In a file of their own.
    File(DebugSections),
    /// In the package of the whole module, under this id.
    InPackage(DwoId),
}

/// The package of a module.
pub(super) fn package(source: &dyn SplitFiles) -> Option<DebugSections> {
    let mut found = None;
    source.packages(&mut |bytes: SharedBytes| {
        let sections = DebugSections::load_split(&bytes);
        if sections.is_empty(SectionId::DebugCuIndex) {
            return Taken::No;
        }
        found = Some(sections);
        Taken::Yes
    });
    found
}

/// The part that has a unit.
pub(super) fn find(
    source: Option<&dyn SplitFiles>,
    package: Option<&DebugSections>,
    name: &SplitName,
) -> Option<Part> {
    let id = DwoId(name.id);
    let packed = package.and_then(|sections| sections.package::<Slice<'_>>());
    if packed.is_some_and(|package| package.cu_index.find(name.id).is_some()) {
        return Some(Part::InPackage(id));
    }
    let mut found = None;
    source?.files(name, &mut |bytes: SharedBytes| {
        let sections = DebugSections::load_split(&bytes);
        if unit_with(&sections.dwarf(), id).is_none() {
            // Of another build, as a rule.
            return Taken::No;
        }
        found = Some(Part::File(sections));
        Taken::Yes
    });
    found
}

/// Where in a part the unit with an id is.
pub(super) fn unit_with<R: gimli::Reader<Offset = usize>>(
    dwarf: &Dwarf<R>,
    id: DwoId,
) -> Option<usize> {
    let mut headers = dwarf.units();
    while let Ok(Some(header)) = headers.next() {
        let own = match header.type_() {
            UnitType::SplitCompilation(own) => Some(own),
            UnitType::Compilation if header.version() < 5 => {
                dwarf.unit(header.clone()).ok().and_then(|unit| unit.dwo_id)
            }
            _ => None,
        };
        if own == Some(id) {
            return header.offset().as_debug_info_offset().map(|offset| offset.0);
        }
    }
    None
}

/// The entries of a part.
pub(super) fn dwarf_of<'m, R: super::Held<'m>>(
    part: &'m Part,
    package: impl FnOnce() -> Option<std::sync::Arc<DwarfPackage<R>>>,
    parent: &Dwarf<R>,
) -> Option<Dwarf<R>> {
    match part {
        Part::File(sections) => {
            let mut dwarf = sections.all::<R>();
            dwarf.make_dwo(parent);
            Some(dwarf)
        }
        Part::InPackage(id) => package()?.find_cu(*id, parent).ok()?,
    }
}
