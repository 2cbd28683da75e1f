//! The debug information of one module, read as it is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gimli::{AttributeValue, DebugInfoOffset, Dwarf, Unit, UnitOffset, constants};
use retake_symbols::{DebugUnits, Module, WholeUnit};

use super::Bytes;
use super::names::Names;
use super::outline::Outline;
use super::scopes::FunctionScope;
use super::types::{Language, TypeId, TypeTable};

/// Places whose scopes are kept; a debugger stops at fewer.
const MAX_SCOPES: usize = 4096;

/// The types, functions and variables of one module.
pub struct Info {
    module: Arc<Module>,
    all: DebugUnits<Bytes>,
    /// By where they are in the module's own `.debug_info`.
    units: Mutex<BTreeMap<usize, Option<Arc<UnitInfo>>>>,
    /// Those whose entries lie in other files, by the numbers of their first bytes.
    split: Mutex<BTreeMap<usize, Arc<UnitInfo>>>,
    ranges: OnceLock<Vec<(u64, u64, usize)>>,
    pub(super) types: TypeTable,
    pub(super) scopes: Mutex<BTreeMap<u64, Arc<Vec<FunctionScope>>>>,
    pub(super) names: OnceLock<Names>,
    pub(crate) go_types: OnceLock<BTreeMap<u64, TypeId>>,
    pub(crate) rust_tables: OnceLock<BTreeMap<u64, TypeId>>,
}

/// One unit.
pub(crate) struct UnitInfo {
    pub(crate) unit: Unit<Bytes>,
    /// The sections of the file that its entries are in.
    pub(crate) dwarf: Arc<Dwarf<Bytes>>,
    /// The number of its first byte.
    pub(crate) start: usize,
    /// The number that offsets of `.debug_info` are counted from in its file.
    base: usize,
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
        TypeId::of_offset(self.base.saturating_add(offset.0))
    }
}

impl Info {
    /// The debug information of a module; none if it has no DWARF.
    pub fn of(module: &Arc<Module>) -> Option<Arc<Self>> {
        module.has_debug_info().then(|| {
            Arc::new(Self {
                module: Arc::clone(module),
                all: DebugUnits::of(module),
                units: Mutex::default(),
                split: Mutex::default(),
                ranges: OnceLock::new(),
                types: TypeTable::default(),
                scopes: Mutex::default(),
                names: OnceLock::new(),
                go_types: OnceLock::new(),
                rust_tables: OnceLock::new(),
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

    /// The unit, or the same one if it is known already.
    fn shared(&self, whole: WholeUnit<Bytes>) -> Arc<UnitInfo> {
        let (start, is_split) = (whole.start(), whole.base != 0);
        let WholeUnit { dwarf, unit, base, .. } = whole;
        let language = language_of(&unit);
        let unit =
            Arc::new(UnitInfo { unit, dwarf, start, base, language, outline: OnceLock::new() });
        if !is_split {
            return unit;
        }
        let mut split = self.split.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(split.entry(start).or_insert(unit))
    }

    /// The unit whose first byte has a number.
    fn numbered(&self, start: usize) -> Option<Arc<UnitInfo>> {
        let split = || self.split.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = split().get(&start) {
            return Some(Arc::clone(known));
        }
        if self.all.starts().binary_search(&start).is_ok() {
            return self.unit_at(start).filter(|unit| unit.start == start);
        }
        self.all.at(&self.module, start).map(|whole| self.shared(whole))
    }

    /// The unit that an entry is in, and where.
    pub(crate) fn find(&self, id: TypeId) -> Option<(Arc<UnitInfo>, UnitOffset)> {
        let number = id.offset()?;
        let unit = self.numbered(self.all.start_of(&self.module, number)?)?;
        let inside = DebugInfoOffset(number.checked_sub(unit.base)?);
        let inside = inside.to_unit_offset(&unit.unit.header)?;
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
            let ranges = main.unit(header).and_then(|unit| main.unit_ranges(&unit));
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

fn language_of(unit: &Unit<Bytes>) -> Language {
    let mut entries = unit.entries();
    let Ok(Some((_, root))) = entries.next_dfs() else { return Language::C };
    match root.attr_value(constants::DW_AT_language) {
        Ok(Some(AttributeValue::Language(language))) => match language {
            constants::DW_LANG_Rust => Language::Rust,
            constants::DW_LANG_Go => Language::Go,
            constants::DW_LANG_C_plus_plus
            | constants::DW_LANG_C_plus_plus_03
            | constants::DW_LANG_C_plus_plus_11
            | constants::DW_LANG_C_plus_plus_14
            | constants::DW_LANG_C_plus_plus_17
            | constants::DW_LANG_C_plus_plus_20 => Language::Cpp,
            _ => Language::C,
        },
        _ => Language::C,
    }
}
