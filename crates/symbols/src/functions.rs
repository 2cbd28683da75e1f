//! Functions: every subprogram and every inlined copy of one (DWARF 5 §3.3).

use gimli::{DebuggingInformationEntry, Dwarf, Unit, constants};
use regex::Regex;
use retake_model::FileAddr;

use crate::demangle::demangle;
use crate::lines::rows;
use crate::module::Module;
use crate::names::{Asked, FunctionName};
use crate::naming::Namer;
use crate::sections::Slice;

/// A function's code, or an inlined copy of it.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    /// Tells it from others of the module.
    pub(crate) id: usize,
    pub(crate) name: FunctionName,
    /// Entry.
    pub(crate) start: u64,
    /// Where a breakpoint on it stands.
    pub(crate) stop_at: u64,
    pub(crate) inlined: bool,
    /// Whether DWARF says more of it than its symbol.
    described: bool,
    ranges: Vec<(u64, u64)>,
}

/// A function that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionPlace {
    /// Its readable name.
    pub name: String,
    /// Its entry.
    pub entry: FileAddr,
    /// Where a breakpoint on it stands: after the frame is set up.
    pub stop_at: FileAddr,
    /// Whether this is a copy inlined into another function.
    pub inlined: bool,
}

/// All functions of a module.
#[derive(Debug, Default)]
pub(crate) struct Functions(Vec<Code>);

type Entry<'a, 'u> = DebuggingInformationEntry<'u, 'u, Slice<'a>>;

impl Functions {
    pub(crate) fn load(module: &Module) -> Self {
        let mut list = Vec::new();
        let dwarf = module.sections().dwarf();
        let namer = Namer::new(&dwarf);
        let mut units = dwarf.units();
        while let Ok(Some(header)) = units.next() {
            let Ok(unit) = dwarf.unit(header) else { continue };
            load_unit(module, &namer, &unit, &mut list);
        }
        // Assembler and libraries without DWARF are known by their symbols only.
        let mut described: Vec<(u64, u64)> =
            list.iter().flat_map(|code| code.ranges.iter().copied()).collect();
        described.sort_unstable();
        let is_described = |addr: u64| {
            let after = described.partition_point(|(start, _)| *start <= addr);
            described.get(..after).unwrap_or_default().iter().rev().take(64).any(|r| addr < r.1)
        };
        for symbol in module.symbols().iter().filter(|symbol| !is_described(symbol.addr)) {
            list.push(Code {
                id: list.len(),
                name: FunctionName::from_symbol(&symbol.name),
                start: symbol.addr,
                stop_at: symbol.addr,
                inlined: false,
                described: false,
                ranges: vec![(symbol.addr, symbol.addr.saturating_add(symbol.size.max(1)))],
            });
        }
        Self(list)
    }

    /// The smallest function or inlined copy that `addr` lies in.
    pub(crate) fn innermost(&self, addr: u64) -> Option<&Code> {
        let size = |code: &&Code| {
            let holds = |(start, end): &&(u64, u64)| (*start..*end).contains(&addr);
            code.ranges.iter().find(holds).map(|(start, end)| end - start)
        };
        self.0
            .iter()
            .filter_map(|code| Some((size(&code)?, code)))
            .min_by_key(|(s, _)| *s)
            .map(|f| f.1)
    }

    fn places<'a>(found: impl IntoIterator<Item = &'a Code>) -> Vec<FunctionPlace> {
        let mut places: Vec<FunctionPlace> = found
            .into_iter()
            .map(|code| FunctionPlace {
                name: code.name.readable.clone(),
                entry: FileAddr::new(code.start),
                stop_at: FileAddr::new(code.stop_at),
                inlined: code.inlined,
            })
            .collect();
        places.sort_by_key(|place| (place.stop_at, place.inlined));
        places.dedup_by_key(|place| place.stop_at);
        places
    }
}

fn load_unit<'a>(
    module: &Module,
    namer: &Namer<'_, 'a>,
    unit: &Unit<Slice<'a>>,
    list: &mut Vec<Code>,
) {
    let dwarf = namer.dwarf();
    let mut lines = None;
    let mut entries = unit.entries();
    while let Ok(Some((_, entry))) = entries.next_dfs() {
        let inlined = match entry.tag() {
            constants::DW_TAG_subprogram => false,
            constants::DW_TAG_inlined_subroutine => true,
            _ => continue,
        };
        let mut ranges = Vec::new();
        if let Ok(mut all) = dwarf.die_ranges(unit, entry) {
            while let Ok(Some(range)) = all.next() {
                if range.begin < range.end && module.elf().is_code(range.begin) {
                    ranges.push((range.begin, range.end));
                }
            }
        }
        let Some(&(first, end)) = ranges.first() else { continue };
        let Some(mut name) = namer.name_of(unit, entry) else { continue };
        let lowest = ranges.iter().map(|(start, _)| *start).min().unwrap_or(first);
        let start = if inlined { entry_pc(dwarf, unit, entry).unwrap_or(lowest) } else { first };
        // gcc leaves the linker's name of some functions out (those with a lambda among their arguments), and with that
        // the class that they are of.
        if !inlined
            && name.linkage.is_none()
            && let Some(symbol) = module.symbols().at(start).filter(|symbol| symbol.addr == start)
            && demangle(&symbol.name).is_some()
        {
            name = FunctionName::from_symbol(&symbol.name);
        }
        let stop_at = if inlined {
            start
        } else {
            module.stop_address(start, end, lines.get_or_insert_with(|| rows(unit, |_| true)))
        };
        let described = true;
        list.push(Code { id: list.len(), name, start, stop_at, inlined, described, ranges });
    }
}

/// `DW_AT_entry_pc` (DWARF 5 §2.18): an address, or an offset from the lowest one.
pub(crate) fn entry_pc(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    entry: &Entry<'_, '_>,
) -> Option<u64> {
    let value = entry.attr_value(constants::DW_AT_entry_pc).ok()??;
    dwarf.attr_address(unit, value).ok().flatten()
}

impl Module {
    /// The functions that somebody means by `name`: a whole readable or linkage name, or the last
    /// parts of a path (`worker::run`), parameters and template arguments left out or not.
    pub fn find_functions(&self, name: &str) -> Vec<FunctionPlace> {
        let functions = self.functions();
        let asked = Asked::new(name);
        let mut found: Vec<&Code> =
            functions.0.iter().filter(|code| code.name.is_meant_by(&asked)).collect();
        // `main` means the one that was written, not the C `main` in front of Rust's.
        if found.iter().any(|code| code.described) {
            found.retain(|code| code.described);
        }
        Functions::places(found)
    }

    /// The functions whose readable name matches.
    pub fn functions_matching(&self, pattern: &Regex) -> Vec<FunctionPlace> {
        let functions = self.functions();
        Functions::places(functions.0.iter().filter(|code| pattern.is_match(&code.name.readable)))
    }
}
