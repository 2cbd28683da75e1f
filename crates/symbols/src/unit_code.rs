//! One compilation unit: its line table, its functions, and what is inlined into them. Names are read when
//! somebody asks for a function.

use std::sync::Arc;

use gimli::{
    AttributeValue, DebuggingInformationEntry, DwAt, Dwarf, EntriesRaw, Unit, UnitOffset, constants,
};

use crate::entry_code::EntryCode;
use crate::frames::SourceLocation;
use crate::generic_types::GenericTypes;
use crate::lines::{UnitLines, file_path};
use crate::module::Module;
use crate::naming::{Namer, Owners};
use crate::sections::Slice;
use crate::split::{DebugUnits, WholeUnit};
use crate::statements::{InlinedOutline, Outline};

/// Deeper nesting of inlined functions is cut off; compilers stop at a few dozen.
const MAX_DEPTH: usize = 500;

type Entry<'a, 'u> = DebuggingInformationEntry<'u, 'u, Slice<'a>>;

/// A parsed unit.
#[derive(Debug, Default)]
pub(crate) struct UnitCode {
    offset: usize,
    pub(crate) lines: Arc<UnitLines>,
    functions: Vec<Function>,
    /// First address, end, function; ascending.
    ranges: Vec<(u64, u64, usize)>,
    owners: Owners,
}

/// A function that really exists.
#[derive(Debug)]
pub(crate) struct Function {
    die: UnitOffset,
    pub(crate) entry: u64,
    /// Ascending.
    ranges: Vec<(u64, u64)>,
    inlined: Vec<Inlined>,
}

/// A function inlined into another one.
#[derive(Debug)]
struct Inlined {
    die: UnitOffset,
    parent: Option<usize>,
    depth: usize,
    entry: u64,
    /// Ascending.
    ranges: Vec<(u64, u64)>,
}

impl UnitCode {
    pub(crate) fn load(module: &Module, offset: usize) -> Option<Self> {
        let whole = DebugUnits::<Slice<'_>>::of(module).whole(module, offset)?;
        let (dwarf, unit) = (&whole.dwarf, &whole.unit);
        let mut walk = Walk {
            module,
            dwarf,
            unit,
            functions: Vec::new(),
            around: Vec::new(),
            generic: GenericTypes::of(unit),
            owners: Owners { start: whole.start, ..Owners::default() },
        };
        walk.run();
        let (functions, owners) = (walk.functions, walk.owners);
        let mut ranges: Vec<(u64, u64, usize)> = Vec::new();
        for (index, function) in functions.iter().enumerate() {
            ranges.extend(function.ranges.iter().map(|(s, e)| (*s, *e, index)));
        }
        ranges.sort_unstable();
        let lines = module.units().lines(module, offset);
        Some(Self { offset, lines, functions, ranges, owners })
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
        outline.ranges.iter().any(|(start, end)| !self.lines.between(*start, *end).is_empty())
    }

    /// A function of this unit, with the names of what is in it.
    pub(crate) fn outline(&self, module: &Module, function: &Function) -> Option<Outline> {
        let all = DebugUnits::<Slice<'_>>::of(module);
        let whole = all.whole(module, self.offset)?;
        let unit = &whole.unit;
        let namer = Namer::new(module, &all, &self.owners);
        let name = |die| {
            let entry = unit.entry(die).ok()?;
            namer.name_of(&whole, &entry).map(|name| Arc::from(name.readable))
        };
        let inlined = |code: &Inlined| InlinedOutline {
            name: name(code.die),
            parent: code.parent,
            depth: code.depth,
            entry: code.entry,
            ranges: code.ranges.clone(),
            call: unit.entry(code.die).ok().and_then(|entry| call(&whole, &entry)),
        };
        Some(Outline {
            name: name(function.die).map(|name| module.public_name(name, function.entry)),
            entry: function.entry,
            ranges: function.ranges.clone(),
            inlined: function.inlined.iter().map(inlined).collect(),
        })
    }
}

impl Module {
    /// What callers know a function as: `write`, which the C library defines as `__libc_write`.
    fn public_name(&self, name: Arc<str>, entry: u64) -> Arc<str> {
        if !name.starts_with("__") {
            return name;
        }
        let symbol = self.symbols().at(entry).filter(|symbol| symbol.addr == entry);
        let public = symbol.filter(|symbol| !symbol.name.starts_with('_'));
        public.map_or(name, |symbol| Arc::from(symbol.name.as_str()))
    }
}

/// Where an inlined function is called.
fn call<'a>(whole: &WholeUnit<Slice<'a>>, entry: &Entry<'a, '_>) -> Option<SourceLocation> {
    let (dwarf, unit) = whole.lines();
    let number = |at: DwAt| match entry.attr_value(at).ok()?? {
        AttributeValue::FileIndex(index) => Some(index),
        value => value.udata_value(),
    };
    let file = file_path(dwarf, unit, number(constants::DW_AT_call_file)?)?;
    let line = u32::try_from(number(constants::DW_AT_call_line)?).ok()?;
    let column = number(constants::DW_AT_call_column).unwrap_or(0);
    Some(SourceLocation { file, line, column: u32::try_from(column).unwrap_or(0) })
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
    unit: &'w Unit<Slice<'a>>,
    functions: Vec<Function>,
    /// For each function from the outermost to the current one: its depth, and what it is.
    around: Vec<(isize, Around)>,
    generic: GenericTypes<'a>,
    owners: Owners,
}

impl<'a> Walk<'_, 'a> {
    fn run(&mut self) {
        let Ok(mut entries) = self.unit.entries_raw(None) else { return };
        while !entries.is_empty() {
            if self.entry(&mut entries).is_none() {
                break;
            }
        }
    }

    fn entry(&mut self, entries: &mut EntriesRaw<'_, '_, Slice<'a>>) -> Option<()> {
        let (die, depth) = (entries.next_offset(), entries.next_depth());
        let Some(abbreviation) = entries.read_abbreviation().ok()? else { return Some(()) };
        let tag = abbreviation.tag();
        self.generic.leave(depth);
        if tag == constants::DW_TAG_structure_type {
            return self.generic.enter(entries, abbreviation, depth, self.dwarf, self.unit);
        }
        if !matches!(tag, constants::DW_TAG_subprogram | constants::DW_TAG_inlined_subroutine) {
            return entries.skip_attributes(abbreviation.attributes()).ok();
        }
        if let Some(owner) = self.generic.owner(depth) {
            self.owners.types.insert(die, Arc::from(&*String::from_utf8_lossy(owner)));
        }
        let mut code = EntryCode::default();
        for spec in abbreviation.attributes() {
            code.add(&entries.read_attribute(*spec).ok()?);
        }
        while self.around.pop_if(|(outer, _)| *outer >= depth).is_some() {}
        let outside = self.around.last().map_or(Around::Nothing, |(_, around)| *around);
        let this = match tag {
            constants::DW_TAG_subprogram => self.function(die, &code),
            _ => self.inlined(die, &code, outside),
        };
        self.around.push((depth, this));
        Some(())
    }

    /// The code of an entry, in the order in which DWARF has it.
    fn ranges(&self, code: &EntryCode<'a>) -> Vec<(u64, u64)> {
        code.ranges(self.module.elf(), self.dwarf, self.unit)
    }

    fn function(&mut self, die: UnitOffset, code: &EntryCode<'a>) -> Around {
        let mut ranges = self.ranges(code);
        let Some(&(first, _)) = ranges.first() else { return Around::Nothing };
        let entry = code
            .entry(self.dwarf, self.unit)
            .filter(|pc| ranges.iter().any(|(start, end)| (*start..*end).contains(pc)))
            .unwrap_or(first);
        ranges.sort_unstable();
        self.functions.push(Function { die, entry, ranges, inlined: Vec::new() });
        Around::Function(self.functions.len() - 1)
    }

    fn inlined(&mut self, die: UnitOffset, code: &EntryCode<'a>, outside: Around) -> Around {
        let (index, parent) = match outside {
            Around::Nothing => return Around::Nothing,
            Around::Function(function) => (function, None),
            Around::Inlined(function, inlined) => (function, Some(inlined)),
        };
        let mut ranges = self.ranges(code);
        let Some(&(first, _)) = ranges.first() else { return outside };
        let entry = code.entry(self.dwarf, self.unit).unwrap_or(first);
        ranges.sort_unstable();
        let Some(function) = self.functions.get_mut(index) else { return Around::Nothing };
        let list = &mut function.inlined;
        let depth = parent.and_then(|parent| list.get(parent)).map_or(1, |outer| outer.depth + 1);
        if depth > MAX_DEPTH {
            return outside;
        }
        list.push(Inlined { die, parent, depth, entry, ranges });
        Around::Inlined(index, list.len() - 1)
    }
}
