//! The units of a module, whichever file their entries lie in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gimli::{DebugInfoOffset, Dwarf, DwarfPackage, DwoId, Reader, SectionId, Unit, UnitHeader};

use super::found::{dwarf_of, unit_with};
use super::skeletons::Skeletons;
use crate::module::Module;
use crate::sections::{DebugSections, DwarfBytes, Slice};

/// How gimli holds the bytes of a section.
pub trait Held<'m>: Reader<Offset = usize> {
    /// The bytes of a section of one file.
    #[doc(hidden)]
    fn of(sections: &'m DebugSections, id: SectionId) -> Self;
}

impl<'m> Held<'m> for Slice<'m> {
    fn of(sections: &'m DebugSections, id: SectionId) -> Self {
        sections.slice(id)
    }
}

impl Held<'_> for DwarfBytes {
    fn of(sections: &DebugSections, id: SectionId) -> Self {
        sections.owned(id)
    }
}

/// A unit with all that its entries refer to.
#[derive(Debug)]
pub struct WholeUnit<R: Reader<Offset = usize>> {
    /// The sections of the file that its entries are in.
    pub dwarf: Arc<Dwarf<R>>,
    /// The unit.
    pub unit: Unit<R>,
    /// The number that offsets of `.debug_info` are counted from in that file.
    pub base: usize,
    /// The skeleton, and the module's own sections: where its lines are.
    skeleton: Option<(Arc<Dwarf<R>>, Unit<R>)>,
}

impl<R: Reader<Offset = usize>> WholeUnit<R> {
    /// The number of the unit's first byte.
    pub fn start(&self) -> usize {
        let inside = self.unit.header.offset().as_debug_info_offset();
        self.base.saturating_add(inside.map_or(0, |offset| offset.0))
    }

    /// What has its lines and ranges.
    pub fn lines(&self) -> (&Dwarf<R>, &Unit<R>) {
        match &self.skeleton {
            Some((dwarf, unit)) => (dwarf, unit),
            None => (&self.dwarf, &self.unit),
        }
    }
}

/// The units of a module. Entries have numbers: those in the module's own file are offsets of `.debug_info`, those in
/// others follow far behind.
pub struct DebugUnits<R: Reader<Offset = usize>> {
    main: Arc<Dwarf<R>>,
    package: OnceLock<Option<Arc<DwarfPackage<R>>>>,
    parts: Mutex<BTreeMap<usize, Option<Arc<PartUnits<R>>>>>,
    /// Where the module's own units begin.
    starts: OnceLock<Vec<usize>>,
}

/// A part, and where its units begin.
struct PartUnits<R: Reader<Offset = usize>> {
    dwarf: Arc<Dwarf<R>>,
    starts: Vec<usize>,
}

impl<R: Reader<Offset = usize>> fmt::Debug for DebugUnits<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugUnits").finish_non_exhaustive()
    }
}

impl<'m, R: Held<'m>> DebugUnits<R> {
    /// Those of a module.
    pub fn of(module: &'m Module) -> Self {
        Self {
            main: Arc::new(module.sections().all()),
            package: OnceLock::new(),
            parts: Mutex::default(),
            starts: OnceLock::new(),
        }
    }

    /// The module's own sections.
    pub fn main(&self) -> &Arc<Dwarf<R>> {
        &self.main
    }

    /// Where the units of the module's own `.debug_info` begin, ascending.
    pub fn starts(&self) -> &[usize] {
        self.starts.get_or_init(|| starts_of(&self.main))
    }

    /// The number of the first byte of the unit that a number is in.
    pub fn start_of(&self, module: &'m Module, number: usize) -> Option<usize> {
        let before = |starts: &[usize], at: usize| {
            let after = starts.partition_point(|start| *start <= at);
            starts.get(after.checked_sub(1)?).copied()
        };
        match Skeletons::part_of(number) {
            None => before(self.starts(), number),
            Some((part, inside)) => {
                let start = before(&self.part(module, part)?.starts, inside)?;
                Some(Skeletons::base_of(part).saturating_add(start))
            }
        }
    }

    /// The unit whose first byte has a number: in the module's own file, or in a part.
    pub fn at(&self, module: &'m Module, start: usize) -> Option<WholeUnit<R>> {
        let Some((part, inside)) = Skeletons::part_of(start) else {
            return self.whole(module, start).filter(|whole| whole.start() == start);
        };
        let dwarf = &self.part(module, part)?.dwarf;
        let header = dwarf.debug_info.header_from_offset(DebugInfoOffset(inside)).ok()?;
        let unit = dwarf.unit(header).ok()?;
        // Most have a skeleton, which says where addresses are.
        let own = unit.dwo_id.and_then(|id| module.skeletons().with_id(part, id.0));
        if let Some(whole) = own.and_then(|own| self.whole(module, own)) {
            return Some(whole).filter(|whole| whole.start() == start);
        }
        let base = Skeletons::base_of(part);
        Some(WholeUnit { dwarf: Arc::clone(dwarf), unit, base, skeleton: None })
    }

    /// The unit that has all that is known of the one at an offset of the module's own `.debug_info`.
    pub fn whole(&self, module: &'m Module, start: usize) -> Option<WholeUnit<R>> {
        let header = self.main.debug_info.header_from_offset(DebugInfoOffset(start)).ok()?;
        let unit = self.main.unit(header).ok()?;
        match self.split(module, start, &unit) {
            Some((dwarf, split, base)) => {
                let skeleton = Some((Arc::clone(&self.main), unit));
                Some(WholeUnit { dwarf, unit: split, base, skeleton })
            }
            None => {
                Some(WholeUnit { dwarf: Arc::clone(&self.main), unit, base: 0, skeleton: None })
            }
        }
    }

    /// The unit that a skeleton stands for.
    fn split(
        &self,
        module: &'m Module,
        start: usize,
        skeleton: &Unit<R>,
    ) -> Option<(Arc<Dwarf<R>>, Unit<R>, usize)> {
        let named = module.skeletons().at(start)?;
        let dwarf = Arc::clone(&self.part(module, named.part())?.dwarf);
        let inside = DebugInfoOffset(unit_with(&dwarf, DwoId(named.name.id))?);
        let mut unit = dwarf.unit(dwarf.debug_info.header_from_offset(inside).ok()?).ok()?;
        unit.copy_relocated_attributes(skeleton);
        Some((dwarf, unit, Skeletons::base_of(named.part())))
    }

    /// The sections of a part.
    fn part(&self, module: &'m Module, number: usize) -> Option<Arc<PartUnits<R>>> {
        let known = || self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&number) {
            return known.clone();
        }
        let package = || {
            let load = || module.skeletons().package()?.package().map(Arc::new);
            self.package.get_or_init(load).clone()
        };
        let part = module.skeletons().part(number);
        let dwarf = part.and_then(|part| dwarf_of(part, package, &self.main));
        let found = dwarf.map(|dwarf| {
            let starts = starts_of(&dwarf);
            Arc::new(PartUnits { dwarf: Arc::new(dwarf), starts })
        });
        known().entry(number).or_insert(found).clone()
    }
}

fn starts_of<R: Reader<Offset = usize>>(dwarf: &Dwarf<R>) -> Vec<usize> {
    headers(dwarf).into_iter().map(|(start, _)| start).collect()
}

/// The headers of all units of some sections, by their offsets.
pub(crate) fn headers<R: Reader<Offset = usize>>(dwarf: &Dwarf<R>) -> Vec<(usize, UnitHeader<R>)> {
    let (mut list, mut all) = (Vec::new(), dwarf.units());
    while let Ok(Some(header)) = all.next() {
        if let Some(offset) = header.offset().as_debug_info_offset() {
            list.push((offset.0, header));
        }
    }
    list
}
