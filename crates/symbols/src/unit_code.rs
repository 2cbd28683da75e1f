//! One compilation unit: its line table, its functions, and what is inlined into them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gimli::{
    AttributeValue, DebugInfoOffset, DebuggingInformationEntry, DwAt, Dwarf, Unit, UnitOffset,
    constants,
};

use crate::frames::SourceLocation;
use crate::functions::entry_pc;
use crate::lines::{Row, code_rows, file_path};
use crate::module::Module;
use crate::naming::Namer;
use crate::sections::Slice;
use crate::statements::{InlinedOutline, Outline};

/// Deeper nesting of inlined functions is cut off; compilers stop at a few dozen.
const MAX_DEPTH: usize = 500;

type Entry<'a, 'u> = DebuggingInformationEntry<'u, 'u, Slice<'a>>;

/// A parsed unit.
#[derive(Debug, Default)]
pub(crate) struct UnitCode {
    /// By address.
    pub(crate) rows: Vec<Row>,
    files: BTreeMap<u64, Arc<str>>,
    functions: Vec<Function>,
    /// First address, end, function; ascending.
    ranges: Vec<(u64, u64, usize)>,
}

/// A function that really exists.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) outline: Outline,
}

impl UnitCode {
    pub(crate) fn load(module: &Module, at: DebugInfoOffset) -> Option<Self> {
        let dwarf = module.sections().dwarf();
        let unit = dwarf.unit(dwarf.debug_info.header_from_offset(at).ok()?).ok()?;
        let rows = code_rows(module, &unit);
        let mut files = BTreeMap::new();
        for row in &rows {
            if !files.contains_key(&row.file)
                && let Some(path) = file_path(&dwarf, &unit, row.file)
            {
                files.insert(row.file, Arc::from(path));
            }
        }
        let mut walk = Walk {
            module,
            dwarf: &dwarf,
            namer: Namer::new(&dwarf),
            unit: &unit,
            names: BTreeMap::new(),
            functions: Vec::new(),
        };
        walk.run();
        let functions = walk.functions;
        let mut ranges: Vec<(u64, u64, usize)> = Vec::new();
        for (index, function) in functions.iter().enumerate() {
            ranges.extend(function.outline.ranges.iter().map(|(s, e)| (*s, *e, index)));
        }
        ranges.sort_unstable();
        Some(Self { rows, files, functions, ranges })
    }

    pub(crate) fn file(&self, index: u64) -> Option<&Arc<str>> {
        self.files.get(&index)
    }

    /// The function at `addr`; of several the one that begins last.
    pub(crate) fn function_at(&self, addr: u64) -> Option<&Function> {
        let after = self.ranges.partition_point(|(start, ..)| *start <= addr);
        let before = self.ranges.get(..after)?.iter().rev().take(64);
        let (.., index) = before.clone().find(|(_, end, _)| addr < *end)?;
        self.functions.get(*index)
    }

    /// Whether the line table has a row in the code of a function.
    pub(crate) fn has_row(&self, outline: &Outline) -> bool {
        outline.ranges.iter().any(|(start, end)| {
            let at = self.rows.partition_point(|row| row.addr < *start);
            self.rows.get(at).is_some_and(|row| row.addr < *end)
        })
    }
}

/// What the entry around others is.
#[derive(Clone, Copy)]
enum Around {
    Nothing,
    Function(usize),
    Inlined(usize, usize),
}

struct Walk<'w, 'a> {
    module: &'w Module,
    dwarf: &'w Dwarf<Slice<'a>>,
    namer: Namer<'w, 'a>,
    unit: &'w Unit<Slice<'a>>,
    /// Of functions that are inlined, by the entry that describes them.
    names: BTreeMap<usize, Option<Arc<str>>>,
    functions: Vec<Function>,
}

impl<'w, 'a> Walk<'w, 'a> {
    fn run(&mut self) {
        let mut entries = self.unit.entries();
        // For each entry from the unit's to the current one: its depth, and what it is.
        let mut around: Vec<(isize, Around)> = Vec::new();
        let mut depth = 0_isize;
        while let Ok(Some((delta, entry))) = entries.next_dfs() {
            depth = depth.saturating_add(delta);
            while around.pop_if(|(outer, _)| *outer >= depth).is_some() {}
            let outside = around.last().map_or(Around::Nothing, |(_, around)| *around);
            let this = match entry.tag() {
                constants::DW_TAG_subprogram => self.function(entry),
                constants::DW_TAG_inlined_subroutine => self.inlined(entry, outside),
                _ => outside,
            };
            around.push((depth, this));
        }
    }

    fn function(&mut self, entry: &Entry<'a, '_>) -> Around {
        let mut ranges = self.ranges(entry);
        let Some(&(first, _)) = ranges.first() else { return Around::Nothing };
        let start = entry_pc(self.dwarf, self.unit, entry)
            .filter(|pc| ranges.iter().any(|(start, end)| (*start..*end).contains(pc)))
            .unwrap_or(first);
        ranges.sort_unstable();
        let name = self.namer.name_of(self.unit, entry).map(|name| Arc::from(name.readable));
        let outline = Outline { name, entry: start, ranges, inlined: Vec::new() };
        self.functions.push(Function { outline });
        Around::Function(self.functions.len() - 1)
    }

    fn inlined(&mut self, entry: &Entry<'a, '_>, outside: Around) -> Around {
        let (index, parent) = match outside {
            Around::Nothing => return Around::Nothing,
            Around::Function(function) => (function, None),
            Around::Inlined(function, inlined) => (function, Some(inlined)),
        };
        let mut ranges = self.ranges(entry);
        let Some(&(first, _)) = ranges.first() else { return outside };
        let start = entry_pc(self.dwarf, self.unit, entry).unwrap_or(first);
        ranges.sort_unstable();
        let name = self.inlined_name(entry);
        let call = self.call(entry);
        let Some(function) = self.functions.get_mut(index) else { return Around::Nothing };
        let list = &mut function.outline.inlined;
        let depth = parent.and_then(|parent| list.get(parent)).map_or(1, |outer| outer.depth + 1);
        if depth > MAX_DEPTH {
            return outside;
        }
        list.push(InlinedOutline { name, parent, depth, entry: start, ranges, call });
        Around::Inlined(index, list.len() - 1)
    }

    /// The code of an entry, in the order in which DWARF has it.
    fn ranges(&self, entry: &Entry<'a, '_>) -> Vec<(u64, u64)> {
        let mut list = Vec::new();
        if let Ok(mut all) = self.dwarf.die_ranges(self.unit, entry) {
            while let Ok(Some(range)) = all.next() {
                if range.begin < range.end && self.module.elf().is_code(range.begin) {
                    list.push((range.begin, range.end));
                }
            }
        }
        list
    }

    fn inlined_name(&mut self, entry: &Entry<'a, '_>) -> Option<Arc<str>> {
        let (namer, unit) = (&self.namer, self.unit);
        let name = || namer.name_of(unit, entry).map(|name| Arc::from(name.readable));
        let origin = match entry.attr_value(constants::DW_AT_abstract_origin) {
            Ok(Some(AttributeValue::UnitRef(UnitOffset(origin)))) => origin,
            // Of another unit. Offsets in `.debug_info` as a whole must not be mixed with those above.
            Ok(Some(AttributeValue::DebugInfoRef(DebugInfoOffset(origin)))) => {
                usize::MAX.wrapping_sub(origin)
            }
            _ => return name(),
        };
        self.names.entry(origin).or_insert_with(name).clone()
    }

    /// Where an inlined function is called.
    fn call(&self, entry: &Entry<'a, '_>) -> Option<SourceLocation> {
        let number = |at: DwAt| match entry.attr_value(at).ok()?? {
            AttributeValue::FileIndex(index) => Some(index),
            value => value.udata_value(),
        };
        let file = file_path(self.dwarf, self.unit, number(constants::DW_AT_call_file)?)?;
        let line = u32::try_from(number(constants::DW_AT_call_line)?).ok()?;
        let column = number(constants::DW_AT_call_column).unwrap_or(0);
        Some(SourceLocation { file, line, column: u32::try_from(column).unwrap_or(0) })
    }
}
