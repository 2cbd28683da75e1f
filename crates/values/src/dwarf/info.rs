//! The debug information of one module, read as it is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gimli::{
    AttributeValue, DebugInfoOffset, Dwarf, Unit, UnitHeader, UnitOffset, UnitSectionOffset,
    constants,
};
use retake_symbols::Module;

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
    dwarf: Dwarf<Bytes>,
    /// By offset.
    headers: Vec<(usize, UnitHeader<Bytes>)>,
    units: Mutex<BTreeMap<usize, Option<Arc<UnitInfo>>>>,
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
    /// Where it begins in `.debug_info`.
    pub(crate) start: usize,
    pub(crate) language: Language,
    outline: OnceLock<Outline>,
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info").field("units", &self.headers.len()).finish_non_exhaustive()
    }
}

impl UnitInfo {
    /// The identity of an entry of this unit.
    pub(crate) fn id_of(&self, offset: UnitOffset) -> TypeId {
        TypeId::of_offset(self.start.saturating_add(offset.0))
    }
}

impl Info {
    /// The debug information of a module; none if it has no DWARF.
    pub fn of(module: &Arc<Module>) -> Option<Arc<Self>> {
        let dwarf = module.dwarf()?;
        let mut headers = Vec::new();
        let mut all = dwarf.units();
        while let Ok(Some(header)) = all.next() {
            if let UnitSectionOffset::DebugInfoOffset(DebugInfoOffset(offset)) = header.offset() {
                headers.push((offset, header));
            }
        }
        Some(Arc::new(Self {
            module: Arc::clone(module),
            dwarf,
            headers,
            units: Mutex::default(),
            ranges: OnceLock::new(),
            types: TypeTable::default(),
            scopes: Mutex::default(),
            names: OnceLock::new(),
            go_types: OnceLock::new(),
            rust_tables: OnceLock::new(),
        }))
    }

    /// The module.
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    pub(crate) fn dwarf(&self) -> &Dwarf<Bytes> {
        &self.dwarf
    }

    pub(crate) fn unit_starts(&self) -> impl Iterator<Item = usize> {
        self.headers.iter().map(|(start, _)| *start)
    }

    /// The unit that begins at an offset of `.debug_info`.
    pub(crate) fn unit_at(&self, start: usize) -> Option<Arc<UnitInfo>> {
        let known = || self.units.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&start) {
            return known.clone();
        }
        let index = self.headers.binary_search_by_key(&start, |(start, _)| *start).ok()?;
        let (_, header) = self.headers.get(index)?;
        let unit = self.dwarf.unit(header.clone()).ok().map(|unit| {
            let language = language_of(&unit);
            Arc::new(UnitInfo { unit, start, language, outline: OnceLock::new() })
        });
        known().entry(start).or_insert(unit).clone()
    }

    /// The unit that an entry is in, and where.
    pub(crate) fn find(&self, id: TypeId) -> Option<(Arc<UnitInfo>, UnitOffset)> {
        let offset = id.offset()?;
        let after = self.headers.partition_point(|(start, _)| *start <= offset);
        let (start, header) = self.headers.get(after.checked_sub(1)?)?;
        let inside = DebugInfoOffset(offset).to_unit_offset(header)?;
        Some((self.unit_at(*start)?, inside))
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
            let Some(unit) = self.unit_at(start) else { continue };
            let Ok(mut ranges) = self.dwarf.unit_ranges(&unit.unit) else { continue };
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
