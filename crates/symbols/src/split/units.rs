//! The units of a module, whichever file their entries lie in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gimli::{
    AbbreviationsCacheStrategy, DebugInfoOffset, Dwarf, DwarfPackage, DwoId, Reader, SectionId,
    Unit,
};

use super::file::FileUnits;
use super::found::{dwarf_of, unit_with};
use super::numbers::{Home, Inside, MAX_PARTS, References, Signatures};
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
    /// The number of its first byte.
    pub start: usize,
    /// What its entries refer to.
    pub references: References,
    /// The skeleton, and the module's own sections: where its lines are.
    skeleton: Option<(Arc<Dwarf<R>>, Unit<R>)>,
}

impl<R: Reader<Offset = usize>> WholeUnit<R> {
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
    files: Mutex<BTreeMap<Home, Option<Arc<FileUnits<R>>>>>,
    own: OnceLock<Arc<FileUnits<R>>>,
    types_of_package: OnceLock<Signatures>,
    types: Types,
}

/// Whether somebody follows references to types by their signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Types {
    Followed,
    /// Whoever looks for functions does not: finding all signatures of a package takes long.
    Left,
}

impl<R: Reader<Offset = usize>> fmt::Debug for DebugUnits<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugUnits").finish_non_exhaustive()
    }
}

impl<'m, R: Held<'m>> DebugUnits<R> {
    /// Those of a module, for somebody who looks for functions.
    pub(crate) fn of(module: &'m Module) -> Self {
        Self::of_sections(dwarf_of_module(module), Types::Left)
    }

    /// The same, for somebody who wants types and keeps many of the units: those that share a table of abbreviations
    /// read it once.
    pub fn to_keep(module: &'m Module) -> Self {
        let mut main = dwarf_of_module(module);
        main.populate_abbreviations_cache(AbbreviationsCacheStrategy::Duplicates);
        Self::of_sections(main, Types::Followed)
    }

    fn of_sections(main: Dwarf<R>, types: Types) -> Self {
        Self {
            main: Arc::new(main),
            package: OnceLock::new(),
            files: Mutex::default(),
            own: OnceLock::new(),
            types_of_package: OnceLock::new(),
            types,
        }
    }

    /// The module's own sections.
    pub fn main(&self) -> &Arc<Dwarf<R>> {
        &self.main
    }

    fn own(&self) -> &Arc<FileUnits<R>> {
        self.own.get_or_init(|| Arc::new(FileUnits::of(&self.main, Home::Own)))
    }

    /// Where the units of the module's own `.debug_info` begin, ascending.
    pub fn starts(&self) -> &[usize] {
        self.own().starts()
    }

    /// The first bytes of the units of the file that modules share, by their numbers.
    pub fn shared(&self, module: &'m Module) -> Vec<usize> {
        let file = self.file(module, Home::Supplement);
        file.map_or_else(Vec::new, |file| file.numbers().collect())
    }

    /// The first bytes of all units that have types and no code, by their numbers: those that no unit of the
    /// module's own `.debug_info` stands for.
    pub fn types(&self, module: &'m Module) -> Vec<usize> {
        let mut list: Vec<usize> = self.own().type_numbers().collect();
        list.extend(self.shared(module));
        for part in 0..module.skeletons().parts() {
            let file = self.file(module, Home::Part(part));
            list.extend(file.iter().flat_map(|file| file.type_numbers()));
        }
        list.extend(self.types_of_package(module).values().copied());
        list.sort_unstable();
        list.dedup();
        // Of a type of a package the entry has a number here, not its unit.
        let start = |number: usize| self.start_of(module, number);
        let mut starts: Vec<usize> = list.into_iter().filter_map(start).collect();
        starts.dedup();
        starts
    }

    /// The number of the first byte of the unit that a number is in.
    pub fn start_of(&self, module: &'m Module, number: usize) -> Option<usize> {
        self.file(module, Home::of(number).0)?.start_of(number)
    }

    /// The unit whose first byte has a number: in the module's own file, or in another one.
    pub fn at(&self, module: &'m Module, start: usize) -> Option<WholeUnit<R>> {
        let (home, inside) = Home::of(start);
        if let (Home::Own, Inside::Info(_)) = (home, inside) {
            return self.whole(module, start).filter(|whole| whole.start == start);
        }
        let file = self.file(module, home)?;
        let unit = file.unit(inside)?;
        // Most of those that were split off have a skeleton, which says where addresses are.
        if let Home::Part(part) = home {
            let own = unit.dwo_id.and_then(|id| module.skeletons().with_id(part, id.0));
            if let Some(whole) = own.and_then(|own| self.whole(module, own)) {
                return Some(whole).filter(|whole| whole.start == start);
            }
        }
        let references = self.references(module, home, &file);
        let dwarf = Arc::clone(file.dwarf());
        Some(WholeUnit { dwarf, unit, start, references, skeleton: None })
    }

    /// The unit that has all that is known of the one at an offset of the module's own `.debug_info`.
    pub fn whole(&self, module: &'m Module, start: usize) -> Option<WholeUnit<R>> {
        let header = self.main.debug_info.header_from_offset(DebugInfoOffset(start)).ok()?;
        let unit = self.main.unit(header).ok()?;
        if let Some(whole) = self.split(module, start, &unit) {
            return Some(WholeUnit { skeleton: Some((Arc::clone(&self.main), unit)), ..whole });
        }
        let references = self.references(module, Home::Own, self.own());
        let dwarf = Arc::clone(&self.main);
        Some(WholeUnit { dwarf, unit, start, references, skeleton: None })
    }

    /// The unit that a skeleton stands for.
    fn split(&self, module: &'m Module, start: usize, skeleton: &Unit<R>) -> Option<WholeUnit<R>> {
        let named = module.skeletons().at(start)?;
        let home = Home::Part(named.part());
        let file = self.file(module, home)?;
        let dwarf = Arc::clone(file.dwarf());
        let inside = unit_with(&dwarf, DwoId(named.name.id))?;
        let mut unit = file.unit(Inside::Info(inside))?;
        unit.copy_relocated_attributes(skeleton);
        let references = self.references(module, home, &file);
        let start = home.base().saturating_add(inside);
        Some(WholeUnit { dwarf, unit, start, references, skeleton: None })
    }

    fn references(&self, module: &'m Module, home: Home, file: &FileUnits<R>) -> References {
        if self.types == Types::Left {
            return References { base: home.base(), ..References::default() };
        }
        let own = file.signatures();
        let signatures = match home {
            // The types of a package lie in units of their own.
            Home::TypeOfPackage(_) => self.types_of_package(module),
            Home::Part(_) if own.is_empty() => self.types_of_package(module),
            _ => own,
        };
        References { base: home.base(), signatures: Arc::clone(signatures) }
    }

    fn package(&self, module: &'m Module) -> Option<Arc<DwarfPackage<R>>> {
        let load = || module.skeletons().package()?.package().map(Arc::new);
        self.package.get_or_init(load).clone()
    }

    /// The types of the package, if there is one.
    fn types_of_package(&self, module: &'m Module) -> &Signatures {
        self.types_of_package.get_or_init(|| {
            let Some(package) = self.package(module) else { return Signatures::default() };
            let rows = usize::try_from(package.tu_index.unit_count()).unwrap_or(0);
            let types = (1..=rows.min(MAX_PARTS - 1)).filter_map(|row| {
                let home = Home::TypeOfPackage(row);
                let dwarf = type_of_package(&package, row, &self.main)?;
                FileUnits::of(&Arc::new(dwarf), home).first_signature()
            });
            Arc::new(types.collect())
        })
    }

    /// The units of a file.
    fn file(&self, module: &'m Module, home: Home) -> Option<Arc<FileUnits<R>>> {
        if home == Home::Own {
            return Some(Arc::clone(self.own()));
        }
        let known = || self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&home) {
            return known.clone();
        }
        let dwarf = match home {
            Home::Own => Some(Arc::clone(&self.main)),
            Home::Supplement => self.main.sup.clone(),
            Home::Part(number) => {
                let part = module.skeletons().part(number);
                let dwarf =
                    part.and_then(|part| dwarf_of(part, || self.package(module), &self.main));
                dwarf.map(Arc::new)
            }
            Home::TypeOfPackage(row) => {
                let package = self.package(module);
                let dwarf = package.and_then(|package| type_of_package(&package, row, &self.main));
                dwarf.map(Arc::new)
            }
        };
        let found = dwarf.map(|dwarf| Arc::new(FileUnits::of(&dwarf, home)));
        known().entry(home).or_insert(found).clone()
    }
}

/// The sections of a type in a package.
fn type_of_package<R: Reader<Offset = usize>>(
    package: &DwarfPackage<R>,
    row: usize,
    main: &Dwarf<R>,
) -> Option<Dwarf<R>> {
    package.tu_sections(u32::try_from(row).ok()?, main).ok()
}

/// The module's own sections, with those of the file that it shares with others.
pub(crate) fn dwarf_of_module<'m, R: Held<'m>>(module: &'m Module) -> Dwarf<R> {
    let mut dwarf = module.sections().all::<R>();
    if let Some(supplement) = module.supplement() {
        dwarf.set_sup(supplement.all::<R>());
    }
    dwarf
}
