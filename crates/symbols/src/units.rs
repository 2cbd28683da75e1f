//! Which compilation unit describes an address. Units are parsed one by one, when code of theirs is
//! asked for: a program has thousands, and a debugger is in a few.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gimli::{DebugInfoOffset, UnitSectionOffset};

use crate::function_code::FunctionCode;
use crate::module::Module;
use crate::unit_code::UnitCode;

/// Of ranges that overlap, so many are looked at.
const MAX_OVERLAPS: usize = 64;

/// A function that was asked for: its unit and entry, or none and the first address of its
/// symbol or frame entry.
pub(crate) type FunctionKey = (Option<usize>, u64);

/// The units of a module by the addresses they say they have code at.
#[derive(Debug, Default)]
pub(crate) struct Units {
    /// First address, end, unit; ascending.
    ranges: Vec<(u64, u64, usize)>,
    /// Units that say nothing, although they have functions.
    silent: Vec<usize>,
    parsed: Mutex<BTreeMap<usize, Arc<UnitCode>>>,
    pub(crate) functions: Mutex<BTreeMap<FunctionKey, Arc<FunctionCode>>>,
}

impl Units {
    pub(crate) fn load(module: &Module) -> Self {
        let mut units = Self::default();
        let dwarf = module.sections().dwarf();
        let mut headers = dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            let UnitSectionOffset::DebugInfoOffset(DebugInfoOffset(offset)) = header.offset()
            else {
                continue;
            };
            let Ok(unit) = dwarf.unit(header) else { continue };
            let before = units.ranges.len();
            if let Ok(mut ranges) = dwarf.unit_ranges(&unit) {
                while let Ok(Some(range)) = ranges.next() {
                    if range.begin < range.end && module.elf().is_code(range.begin) {
                        units.ranges.push((range.begin, range.end, offset));
                    }
                }
            }
            if units.ranges.len() == before && unit.line_program.is_some() {
                units.silent.push(offset);
            }
        }
        units.ranges.sort_unstable();
        units
    }

    /// The unit at an offset of `.debug_info`, parsed.
    fn unit(&self, module: &Module, offset: usize) -> Arc<UnitCode> {
        let known =
            self.parsed.lock().unwrap_or_else(PoisonError::into_inner).get(&offset).cloned();
        if let Some(known) = known {
            return known;
        }
        let unit = Arc::new(UnitCode::load(module, DebugInfoOffset(offset)).unwrap_or_default());
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        parsed.entry(offset).or_insert(unit).clone()
    }

    /// The units that may describe `addr`, the most likely first.
    pub(crate) fn at(&self, module: &Module, addr: u64) -> Vec<(usize, Arc<UnitCode>)> {
        let after = self.ranges.partition_point(|(start, ..)| *start <= addr);
        let before = self.ranges.get(..after).unwrap_or_default().iter().rev().take(MAX_OVERLAPS);
        let mut offsets: Vec<usize> =
            before.filter(|(_, end, _)| addr < *end).map(|(.., offset)| *offset).collect();
        if offsets.is_empty() {
            offsets.extend(&self.silent);
        }
        offsets.into_iter().map(|offset| (offset, self.unit(module, offset))).collect()
    }
}
