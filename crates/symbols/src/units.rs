//! Which compilation unit describes an address. Units are parsed one by one, when code of theirs is
//! asked for: a program has thousands, and a debugger is in a few.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gimli::DebugInfoOffset;

use crate::function_code::FunctionCode;
use crate::lines::UnitLines;
use crate::module::Module;
use crate::unit_code::UnitCode;

/// Of ranges that overlap, so many are looked at.
const MAX_OVERLAPS: usize = 64;

/// A function that was asked for: its unit and entry, or none and the first address of its
/// symbol or frame entry.
pub(crate) type FunctionKey = (Option<usize>, u64);

/// The units of a module that were read.
#[derive(Debug, Default)]
pub(crate) struct Units {
    lines: Mutex<BTreeMap<usize, Arc<UnitLines>>>,
    parsed: Mutex<BTreeMap<usize, Arc<UnitCode>>>,
    pub(crate) functions: Mutex<BTreeMap<FunctionKey, Arc<FunctionCode>>>,
}

/// What is kept of a unit, made if it is not there. Two threads may make it at the same time.
fn kept<T>(
    all: &Mutex<BTreeMap<usize, Arc<T>>>,
    offset: usize,
    make: impl FnOnce() -> T,
) -> Arc<T> {
    let lock = || all.lock().unwrap_or_else(PoisonError::into_inner);
    let known = lock().get(&offset).cloned();
    known.unwrap_or_else(|| {
        let made = Arc::new(make());
        lock().entry(offset).or_insert(made).clone()
    })
}

impl Units {
    /// The unit at an offset of `.debug_info`, parsed.
    pub(crate) fn unit(&self, module: &Module, offset: usize) -> Arc<UnitCode> {
        kept(&self.parsed, offset, || {
            UnitCode::load(module, DebugInfoOffset(offset)).unwrap_or_default()
        })
    }

    /// Its lines.
    pub(crate) fn lines(&self, module: &Module, offset: usize) -> Arc<UnitLines> {
        kept(&self.lines, offset, || {
            UnitLines::load(module, DebugInfoOffset(offset)).unwrap_or_default()
        })
    }

    /// The units that may describe `addr`, the most likely first.
    pub(crate) fn at(&self, module: &Module, addr: u64) -> Vec<(usize, Arc<UnitCode>)> {
        if !module.has_debug_info() {
            return Vec::new();
        }
        let index = module.index();
        let after = index.ranges.partition_point(|range| range.start <= addr);
        let before = index.ranges.get(..after).unwrap_or_default().iter().rev().take(MAX_OVERLAPS);
        let mut offsets: Vec<u64> =
            before.filter(|range| addr < range.end).map(|range| range.unit).collect();
        if offsets.is_empty() {
            offsets.extend(&index.silent);
        }
        let offsets = offsets.into_iter().filter_map(|offset| usize::try_from(offset).ok());
        offsets.map(|offset| (offset, self.unit(module, offset))).collect()
    }
}
