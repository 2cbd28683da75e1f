//! Which compilation unit describes an address. Units are parsed one by one, when code of theirs is
//! asked for: a program has thousands, and a debugger is in a few.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use retake_model::FileAddr;

use crate::function_code::FunctionCode;
use crate::lines::UnitLines;
use crate::module::Module;
use crate::split::SplitName;
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
    /// The unit at an offset of the module's own `.debug_info`, parsed.
    pub(crate) fn unit(&self, module: &Module, offset: usize) -> Arc<UnitCode> {
        kept(&self.parsed, offset, || UnitCode::load(module, offset).unwrap_or_default())
    }

    /// Its lines.
    pub(crate) fn lines(&self, module: &Module, offset: usize) -> Arc<UnitLines> {
        kept(&self.lines, offset, || UnitLines::load(module, offset).unwrap_or_default())
    }

    /// The units that may describe `addr`, the most likely first.
    pub(crate) fn at(&self, module: &Module, addr: u64) -> Vec<(usize, Arc<UnitCode>)> {
        let offsets = offsets_at(module, addr).into_iter();
        offsets.map(|offset| (offset, self.unit(module, offset))).collect()
    }
}

/// Where the units are that may describe `addr`, the most likely first.
fn offsets_at(module: &Module, addr: u64) -> Vec<usize> {
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
    offsets.into_iter().filter_map(|offset| usize::try_from(offset).ok()).collect()
}

impl Module {
    /// The file that has what is known of the code at `addr`, if that is not found.
    pub fn missing_file_at(&self, addr: FileAddr) -> Option<SplitName> {
        let skeletons = self.skeletons();
        let missing = |offset| {
            let skeleton = skeletons.at(offset)?;
            skeletons.part(skeleton.part()).is_none().then(|| skeleton.name.clone())
        };
        offsets_at(self, addr.get()).into_iter().find_map(missing)
    }
}
