//! The debug information of one module, read as it is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gimli::{AttributeValue, DebugInfoOffset, Dwarf, Unit, UnitOffset, constants};
use retake_symbols::{DebugUnits, Module, References, WholeUnit};

use super::Bytes;
use super::names::Names;
use super::outline::Outline;
use super::scopes::FunctionScope;
use super::types::{Language, TypeId, TypeTable};
use crate::shape::Constants;

/// Places whose scopes are kept; a debugger stops at fewer.
const MAX_SCOPES: usize = 4096;

/// The types, functions and variables of one module.
pub struct Info {
    module: Arc<Module>,
    pub(super) all: DebugUnits<Bytes>,
    /// By where they are in the module's own `.debug_info`.
    units: Mutex<BTreeMap<usize, Option<Arc<UnitInfo>>>>,
    /// Those that are not there, by the numbers of their first bytes.
    elsewhere: Mutex<BTreeMap<usize, Arc<UnitInfo>>>,
    ranges: OnceLock<Vec<(u64, u64, usize)>>,
    pub(super) types: TypeTable,
    pub(super) scopes: Mutex<BTreeMap<u64, Arc<Vec<FunctionScope>>>>,
    pub(super) names: OnceLock<Names>,
    pub(crate) go_types: OnceLock<BTreeMap<u64, TypeId>>,
    pub(crate) go_constants: OnceLock<Constants>,
    pub(crate) rust_tables: OnceLock<BTreeMap<u64, TypeId>>,
    pub(super) imported: OnceLock<BTreeMap<usize, Language>>,
}

/// One unit.
pub(crate) struct UnitInfo {
    pub(crate) unit: Unit<Bytes>,
    /// The sections of the file that its entries are in.
    pub(crate) dwarf: Arc<Dwarf<Bytes>>,
    /// The number of its first byte.
    pub(crate) start: usize,
    references: References,
    pub(crate) language: Language,
    outline: OnceLock<Outline>,
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info").field("units", &self.all.starts().len()).finish_non_exhaustive()
    }
}

impl UnitInfo {
    /// The identity of an entry of this unit.
    pub(crate) fn id_of(&self, offset: UnitOffset) -> TypeId {
        TypeId::of_offset(self.start.saturating_add(offset.0))
    }

    /// The identity of an entry of the same file.
    pub(crate) fn id_in_file(&self, offset: DebugInfoOffset) -> TypeId {
        TypeId::of_offset(self.references.in_file(offset.0))
    }

    /// The identity of the entry that an attribute refers to.
    pub(crate) fn id_referred(&self, value: &AttributeValue<Bytes>) -> Option<TypeId> {
        self.references.number(self.start, value).map(TypeId::of_offset)
    }
}

impl Info {
    /// The debug information of a module; none if it has no DWARF.
    pub fn of(module: &Arc<Module>) -> Option<Arc<Self>> {
        module.has_debug_info().then(|| {
            Arc::new(Self {
                module: Arc::clone(module),
                all: DebugUnits::to_keep(module),
                units: Mutex::default(),
                elsewhere: Mutex::default(),
                ranges: OnceLock::new(),
                types: TypeTable::default(),
                scopes: Mutex::default(),
                names: OnceLock::new(),
                go_types: OnceLock::new(),
                go_constants: OnceLock::new(),
                rust_tables: OnceLock::new(),
                imported: OnceLock::new(),
            })
        })
    }

    /// The module.
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    pub(crate) fn unit_starts(&self) -> impl Iterator<Item = usize> {
        self.all.starts().iter().copied()
    }

    /// The unit that begins at an offset of the module's own `.debug_info`, or the one in another file that it stands
    /// for.
    pub(crate) fn unit_at(&self, start: usize) -> Option<Arc<UnitInfo>> {
        let known = || self.units.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&start) {
            return known.clone();
        }
        let unit = self.all.whole(&self.module, start).map(|whole| self.shared(whole));
        known().entry(start).or_insert(unit).clone()
    }

    /// The units with types that no unit of [`Self::unit_starts`] stands for, by the numbers of their first bytes.
    pub(crate) fn units_of_types(&self) -> impl Iterator<Item = Arc<UnitInfo>> {
        let starts = self.all.types(&self.module).into_iter();
        starts.filter_map(|start| self.numbered(start))
    }

    fn is_own(&self, start: usize) -> bool {
        self.all.starts().binary_search(&start).is_ok()
    }

    /// The unit, or the same one if it is known already.
    fn shared(&self, whole: WholeUnit<Bytes>) -> Arc<UnitInfo> {
        let WholeUnit { dwarf, unit, start, references, .. } = whole;
        let said = language_of(&unit);
        // What several units import says none.
        let language =
            said.unwrap_or_else(|| self.imported().get(&start).copied().unwrap_or(Language::C));
        let outline = OnceLock::new();
        let unit = Arc::new(UnitInfo { unit, dwarf, start, references, language, outline });
        if self.is_own(start) {
            return unit;
        }
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(elsewhere.entry(start).or_insert(unit))
    }

    /// The unit whose first byte has a number.
    fn numbered(&self, start: usize) -> Option<Arc<UnitInfo>> {
        let elsewhere = || self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = elsewhere().get(&start) {
            return Some(Arc::clone(known));
        }
        if self.is_own(start) {
            return self.unit_at(start).filter(|unit| unit.start == start);
        }
        self.all.at(&self.module, start).map(|whole| self.shared(whole))
    }

    /// The unit that an entry is in, and where.
    pub(crate) fn find(&self, id: TypeId) -> Option<(Arc<UnitInfo>, UnitOffset)> {
        let number = id.offset()?;
        let unit = self.numbered(self.all.start_of(&self.module, number)?)?;
        let inside = UnitOffset(number.checked_sub(unit.start)?);
        Some((unit, inside))
    }

    pub(crate) fn outline<'u>(&self, unit: &'u UnitInfo) -> &'u Outline {
        unit.outline.get_or_init(|| Outline::of(self, unit))
    }

    /// The units that say they have code at an address; all that say nothing, if none does.
    pub(crate) fn units_of(&self, pc: u64) -> Vec<Arc<UnitInfo>> {
        let ranges = self.ranges.get_or_init(|| self.load_ranges());
        let after = ranges.partition_point(|(start, ..)| *start <= pc);
        let before = ranges.get(..after).unwrap_or_default().iter().rev().take(64);
        let mut starts: Vec<usize> =
            before.filter(|(_, end, _)| pc < *end).map(|(.., start)| *start).collect();
        starts.dedup();
        starts.into_iter().filter_map(|start| self.unit_at(start)).collect()
    }

    fn load_ranges(&self) -> Vec<(u64, u64, usize)> {
        let mut list = Vec::new();
        for start in self.unit_starts() {
            // What has its entries in another file says its ranges here.
            let main = self.all.main();
            let Ok(header) = main.debug_info.header_from_offset(DebugInfoOffset(start)) else {
                continue;
            };
            let ranges =
                main.unit(header).and_then(|unit| retake_symbols::unit_ranges(main, &unit));
            let Ok(mut ranges) = ranges else { continue };
            while let Ok(Some(range)) = ranges.next() {
                if range.begin < range.end {
                    list.push((range.begin, range.end, start));
                }
            }
        }
        list.sort_unstable();
        list
    }

    pub(crate) fn keep_scopes(
        &self,
        pc: u64,
        found: Vec<FunctionScope>,
    ) -> Arc<Vec<FunctionScope>> {
        let found = Arc::new(found);
        let mut kept = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_SCOPES {
            kept.clear();
        }
        kept.entry(pc).or_insert(found).clone()
    }
}

/// The language that a unit says; none if it says none.
pub(super) fn language_of(unit: &Unit<Bytes>) -> Option<Language> {
    let mut entries = unit.entries();
    let (_, root) = entries.next_dfs().ok()??;
    match root.attr_value(constants::DW_AT_language).ok()?? {
        AttributeValue::Language(language) => Some(match language {
            constants::DW_LANG_Rust => Language::Rust,
            constants::DW_LANG_Go => Language::Go,
            constants::DW_LANG_C_plus_plus
            | constants::DW_LANG_C_plus_plus_03
            | constants::DW_LANG_C_plus_plus_11
            | constants::DW_LANG_C_plus_plus_14
            | constants::DW_LANG_C_plus_plus_17
            | constants::DW_LANG_C_plus_plus_20 => Language::Cpp,
            _ => Language::C,
        }),
        _ => None,
    }
}
