//! The units of a module that say where the rest of them is.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use gimli::{Dwarf, SectionId, UnitHeader, UnitSectionOffset, UnitType};

use super::found::{self, Part};
use super::numbers::MAX_PARTS;
use super::{SplitFiles, SplitName};
use crate::module::Module;
use crate::sections::{DebugSections, Slice};

/// A unit whose entries lie elsewhere.
#[derive(Debug)]
pub(crate) struct Skeleton {
    /// Where it is in the module's own `.debug_info`.
    start: usize,
    pub(crate) name: SplitName,
    /// The part that has its entries. Units of one file share it: entries of one may refer to the other.
    part: usize,
}

impl Skeleton {
    pub(crate) fn part(&self) -> usize {
        self.part
    }
}

/// All skeletons of a module, and what was found of their parts.
#[derive(Debug, Default)]
pub(crate) struct Skeletons {
    source: Option<Arc<dyn SplitFiles>>,
    /// By where they are.
    list: Vec<Skeleton>,
    /// Each with the unit that it was first named by.
    parts: Vec<(SplitName, OnceLock<Option<Part>>)>,
    package: OnceLock<Option<DebugSections>>,
}

impl Skeletons {
    pub(crate) fn load(module: &Module, source: Option<Arc<dyn SplitFiles>>) -> Self {
        let mut all = Self { source, ..Self::default() };
        // A skeleton has its addresses in a section of their own.
        if !module.has_debug_section(SectionId::DebugAddr.name()) {
            return all;
        }
        let dwarf = module.sections().dwarf();
        let mut known: BTreeMap<(Vec<u8>, Vec<u8>), usize> = BTreeMap::new();
        let mut headers = dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            let Some((start, name)) = skeleton(&dwarf, header) else { continue };
            let next = all.parts.len();
            let part = *known.entry((name.folder.clone(), name.path.clone())).or_insert(next);
            if part == next {
                if next >= MAX_PARTS {
                    break;
                }
                all.parts.push((name.clone(), OnceLock::new()));
            }
            all.list.push(Skeleton { start, name, part });
        }
        all
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The skeleton at an offset of the module's own `.debug_info`.
    pub(crate) fn at(&self, start: usize) -> Option<&Skeleton> {
        let index = self.list.binary_search_by_key(&start, |skeleton| skeleton.start).ok()?;
        self.list.get(index)
    }

    /// Where the skeleton of a unit of a part is.
    pub(crate) fn with_id(&self, part: usize, id: u64) -> Option<usize> {
        let is_it = |skeleton: &&Skeleton| skeleton.part == part && skeleton.name.id == id;
        self.list.iter().find(is_it).map(|skeleton| skeleton.start)
    }

    /// How many parts there are.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// A part, looked for if that was not done yet.
    pub(crate) fn part(&self, number: usize) -> Option<&Part> {
        let (name, part) = self.parts.get(number)?;
        part.get_or_init(|| found::find(self.source.as_deref(), self.package(), name)).as_ref()
    }

    /// The package of all parts, if there is one.
    pub(crate) fn package(&self) -> Option<&DebugSections> {
        let source = self.source.as_deref();
        self.package.get_or_init(|| source.and_then(found::package)).as_ref()
    }

    /// The names of what is not found, in the order of their units.
    pub(crate) fn missing(&self) -> Vec<&SplitName> {
        let parts = 0..self.parts.len();
        let missing = parts.filter(|part| self.part(*part).is_none());
        missing.filter_map(|part| self.parts.get(part).map(|(name, _)| name)).collect()
    }

    /// All names, each once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &SplitName> {
        self.parts.iter().map(|(name, _)| name)
    }
}

/// What a unit says of its file, if it is a skeleton.
fn skeleton<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    header: UnitHeader<Slice<'a>>,
) -> Option<(usize, SplitName)> {
    let UnitSectionOffset::DebugInfoOffset(start) = header.offset() else { return None };
    // Before DWARF 5 only the unit's first entry tells.
    match header.type_() {
        UnitType::Skeleton(_) => {}
        UnitType::Compilation if header.version() < 5 => {}
        _ => return None,
    }
    let unit = dwarf.unit(header).ok()?;
    let id = unit.dwo_id?.0;
    let path = dwarf.attr_string(&unit, unit.dwo_name().ok()??).ok()?.slice().to_vec();
    let folder = unit.comp_dir.map(|folder| folder.slice().to_vec()).unwrap_or_default();
    Some((start.0, SplitName { path, folder, id }))
}
