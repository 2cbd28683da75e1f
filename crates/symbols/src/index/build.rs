//! An index from the debug information and the symbols of a module.

use super::walk::{Coded, Said, UnitContents, contents_of, shared_contents_of};
use super::{Code, Index, NameTable, UnitRange};
use crate::demangle::demangle;
use crate::instance::joined;
use crate::module::Module;
use crate::parallel;
use crate::sections::Slice;
use crate::split::{DebugUnits, headers};

/// How far references between entries are followed; compilers need three.
const MAX_REFERENCES: usize = 8;
/// Of ranges that overlap, so many are looked at.
const MAX_OVERLAPS: usize = 64;

/// Code with the names that were found for it.
struct Named<'a> {
    name: &'a [u8],
    linkage: &'a [u8],
    /// The generic type that it is in; empty if it is in none.
    owner: &'a [u8],
    code: Code,
}

/// What there is to do at the same time.
enum Job {
    /// The unit at an offset of the module's own `.debug_info`.
    Unit(usize),
    /// The unit at a number in the file that modules share.
    Shared(usize),
    /// The table of symbols is read, for what comes after.
    Symbols,
}

impl Index {
    /// Goes through all of a module's debug information.
    pub(crate) fn build(module: &Module) -> Self {
        let all = DebugUnits::<Slice<'_>>::of(module);
        let mut headers = headers(all.main());
        // The largest first, so that no thread is left with one of them at the end.
        headers.sort_by_key(|(_, header)| std::cmp::Reverse(header.length_including_self()));
        let units = headers.into_iter().map(|(start, _)| Job::Unit(start));
        let shared = all.shared(module).into_iter().map(Job::Shared);
        let jobs: Vec<Job> = std::iter::once(Job::Symbols).chain(units).chain(shared).collect();
        let done = parallel::map(&jobs, |job| match job {
            Job::Unit(start) => contents_of(module, &all, *start),
            Job::Shared(start) => shared_contents_of(module, &all, *start),
            Job::Symbols => {
                module.symbols();
                None
            }
        });
        let mut units: Vec<UnitContents<'_>> = done.into_iter().flatten().collect();
        units.sort_unstable_by_key(|unit| unit.offset);
        let numbers: Vec<usize> = (0..units.len()).collect();
        let named = parallel::map(&numbers, |number| named_codes(module, &units, *number));
        // What is shared has given its names, and has nothing else.
        let own = units.partition_point(|unit| !unit.is_shared);
        units.truncate(own);
        let mut named: Vec<Named<'_>> = named.into_iter().flatten().collect();
        let aliases = aliases(module, &named);
        named.extend(aliases);
        let symbols = undescribed(module, &units);
        named.extend(symbols.iter().map(|(readable, linkage, code)| Named {
            name: readable.as_bytes(),
            linkage: linkage.as_bytes(),
            owner: &[],
            code: *code,
        }));
        let (names, codes) = number_names(named);
        let mut indirect: Vec<u64> = module
            .symbols()
            .iter()
            .filter(|symbol| symbol.indirect)
            .map(|symbol| symbol.addr)
            .collect();
        indirect.dedup();
        Self { indirect, ..Self::of_units(&units, names, codes) }
    }

    fn of_units(units: &[UnitContents<'_>], names: NameTable, codes: Vec<Code>) -> Self {
        let mut index = Self { names, codes, ..Self::default() };
        for (number, unit) in (0_u32..).zip(units) {
            index.units.push(unit.own);
            let range = |&(start, end): &(u64, u64)| UnitRange { start, end, unit: unit.own };
            index.ranges.extend(unit.ranges.iter().map(range));
            if unit.ranges.is_empty() && unit.has_lines {
                index.silent.push(unit.own);
            }
            index.files.extend(unit.files.iter().map(|hash| (*hash, number)));
        }
        index.ranges.sort_unstable();
        index.files.sort_unstable();
        index
    }
}

/// The code of a unit, with the names that it or another unit says.
fn named_codes<'m>(
    module: &'m Module,
    units: &[UnitContents<'m>],
    number: usize,
) -> Vec<Named<'m>> {
    let Some(unit) = units.get(number) else { return Vec::new() };
    let named = |coded: &Coded<'m>| {
        let mut said = resolved(units, unit, coded.said);
        // gcc leaves the linker's name of some functions out (those with a lambda among their arguments), and
        // with that the class that they are of.
        if !coded.inlined
            && said.linkage.is_empty()
            && let Some(symbol) = module.symbols().at(coded.start)
            && symbol.addr == coded.start
            && demangle(&symbol.name).is_some()
        {
            said.linkage = symbol.name.as_bytes();
        }
        if said.name.is_empty() && said.linkage.is_empty() {
            return None;
        }
        let &Coded { start, end, inlined, .. } = coded;
        let code = Code { name: 0, unit: u32::try_from(number).ok(), start, end, inlined };
        Some(Named { name: said.name, linkage: said.linkage, owner: said.owner, code })
    };
    unit.coded.iter().filter_map(named).collect()
}

/// What an entry says, with what those that it refers to say besides.
fn resolved<'a>(units: &[UnitContents<'a>], unit: &UnitContents<'a>, said: Said<'a>) -> Said<'a> {
    let mut whole = said;
    let mut other = said.other;
    for _ in 0..MAX_REFERENCES {
        let Some(offset) = other.filter(|_| whole.name.is_empty() || whole.linkage.is_empty())
        else {
            break;
        };
        let function = |unit: &UnitContents<'a>| {
            let at = unit.functions.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
            unit.functions.get(at).map(|(_, said)| *said)
        };
        let elsewhere = || {
            let after = units.partition_point(|unit| unit.offset <= offset);
            units.get(after.checked_sub(1)?).and_then(function)
        };
        let Some(next) = function(unit).or_else(elsewhere) else { break };
        if whole.name.is_empty() {
            whole.name = next.name;
        }
        if whole.linkage.is_empty() {
            whole.linkage = next.linkage;
        }
        if whole.owner.is_empty() {
            whole.owner = next.owner;
        }
        other = next.other;
    }
    whole
}

/// The other names of described functions: the C library's `write` is described as `__libc_write`.
fn aliases<'m>(module: &'m Module, named: &[Named<'m>]) -> Vec<Named<'m>> {
    let functions = named.iter().filter(|named| !named.code.inlined);
    let mut functions: Vec<&Named<'m>> = functions.collect();
    functions.sort_unstable_by_key(|named| named.code.start);
    let alias = |symbol: &'m crate::symtab::CodeSymbol| {
        let from = functions.partition_point(|named| named.code.start < symbol.addr);
        let same = functions.get(from..)?.iter().take_while(|n| n.code.start == symbol.addr);
        let own = symbol.name.as_bytes();
        let is_known = same.clone().any(|named| named.linkage == own || named.name == own);
        let first = same.clone().next().filter(|_| !is_known && !symbol.indirect)?;
        Some(Named { name: own, linkage: &[], owner: &[], code: first.code })
    };
    // Mangled names are those that DWARF has; parts of functions have a dot in theirs.
    let plain =
        |name: &str| !name.starts_with("_Z") && !name.starts_with("_R") && !name.contains('.');
    module.symbols().iter().filter(|symbol| plain(&symbol.name)).filter_map(alias).collect()
}

/// Assembler and libraries without DWARF are known by their symbols only: the readable name, the linker's, and
/// the code.
fn undescribed<'m>(module: &'m Module, units: &[UnitContents<'_>]) -> Vec<(String, &'m str, Code)> {
    let mut described: Vec<(u64, u64)> =
        units.iter().flat_map(|unit| unit.covered.iter().copied()).collect();
    described.sort_unstable();
    let is_described = |addr: u64| {
        let after = described.partition_point(|(start, _)| *start <= addr);
        let before = described.get(..after).unwrap_or_default().iter().rev();
        before.take(MAX_OVERLAPS).any(|range| addr < range.1)
    };
    // The code of an indirect function is described by the name of its resolver.
    let symbols = module.symbols().iter();
    let symbols = symbols.filter(|symbol| symbol.indirect || !is_described(symbol.addr));
    let code = |symbol: &'m crate::symtab::CodeSymbol| {
        let end = symbol.addr.saturating_add(symbol.size.max(1));
        let code = Code { name: 0, unit: None, start: symbol.addr, end, inlined: false };
        (demangle(&symbol.name).unwrap_or_default(), symbol.name.as_str(), code)
    };
    symbols.map(code).collect()
}

/// Gives each name a number, and its code that number.
fn number_names(mut named: Vec<Named<'_>>) -> (NameTable, Vec<Code>) {
    // Names that many entries share lie in the file once: they are known by where they lie.
    let place = |text: &[u8]| (text.as_ptr().addr(), text.len());
    named.sort_unstable_by_key(|named| {
        let names = (place(named.linkage), place(named.name), place(named.owner));
        (names, named.code.start, named.code.inlined)
    });
    let mut names = NameTable::default();
    let mut codes: Vec<Code> = Vec::with_capacity(named.len());
    for same in named.chunk_by(|a, b| {
        place(a.linkage) == place(b.linkage)
            && place(a.name) == place(b.name)
            && place(a.owner) == place(b.owner)
    }) {
        let Some(first) = same.first() else { continue };
        let text = |bytes| String::from_utf8_lossy(bytes);
        let number = match first.owner {
            [] => names.add(&text(first.name), &text(first.linkage)),
            owner => names.add(&joined(&text(owner), &text(first.name)), &text(first.linkage)),
        };
        codes.extend(same.iter().map(|named| Code { name: number, ..named.code }));
    }
    (names, codes)
}
