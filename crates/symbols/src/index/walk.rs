//! One unit, gone through once for its index. Entries are read raw: what is no function is skipped, which
//! is most of a unit.

use gimli::{Attribute, EntriesRaw, constants};

use super::file_hash;
use crate::elf::Elf;
use crate::entry_code::EntryCode;
use crate::generic_types::GenericTypes;
use crate::module::Module;
use crate::sections::Slice;
use crate::split::{DebugUnits, WholeUnit};

/// What an entry says of its name, or where that is said. Names are as they lie in the file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) name: &'a [u8],
    pub(super) linkage: &'a [u8],
    /// The generic type that it is in; empty if it is in none.
    pub(super) owner: &'a [u8],
    /// The number of the entry that has what is missing.
    pub(super) other: Option<u64>,
}

/// An entry that has code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coded<'a> {
    pub(super) said: Said<'a>,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) inlined: bool,
}

/// What there is in a unit.
#[derive(Debug, Default)]
pub(super) struct UnitContents<'a> {
    /// Where it is in the module's own `.debug_info`.
    pub(super) own: u64,
    /// The number of its first byte.
    pub(super) offset: u64,
    /// Whether it lies in the file that modules share: behind all others, then.
    pub(super) is_shared: bool,
    /// The code that it says it has.
    pub(super) ranges: Vec<(u64, u64)>,
    /// Whether it has lines.
    pub(super) has_lines: bool,
    /// Hashes of the names of its source files; ascending, each once.
    pub(super) files: Vec<u32>,
    /// All functions, whether they have code or not, by their numbers.
    pub(super) functions: Vec<(u64, Said<'a>)>,
    pub(super) coded: Vec<Coded<'a>>,
    /// The code of its functions.
    pub(super) covered: Vec<(u64, u64)>,
}

struct Walk<'w, 'a> {
    elf: &'w Elf,
    whole: &'w WholeUnit<Slice<'a>>,
    contents: UnitContents<'a>,
    generic: GenericTypes<'a>,
}

/// What there is in the unit at an offset of the module's own `.debug_info`; none if it cannot be read.
pub(super) fn contents_of<'a>(
    module: &'a Module,
    all: &DebugUnits<Slice<'a>>,
    start: usize,
) -> Option<UnitContents<'a>> {
    let whole = &all.whole(module, start)?;
    let own = u64::try_from(start).ok()?;
    let offset = u64::try_from(whole.start).ok()?;
    let contents = UnitContents { own, offset, ..UnitContents::default() };
    let mut walk =
        Walk { elf: module.elf(), whole, contents, generic: GenericTypes::of(&whole.unit) };
    walk.head();
    walk.entries();
    Some(walk.contents)
}

/// What there is in a unit of the file that modules share: functions that units refer to, and no code.
pub(super) fn shared_contents_of<'a>(
    module: &'a Module,
    all: &DebugUnits<Slice<'a>>,
    start: usize,
) -> Option<UnitContents<'a>> {
    let whole = &all.at(module, start)?;
    let offset = u64::try_from(start).ok()?;
    let contents = UnitContents { offset, is_shared: true, ..UnitContents::default() };
    let mut walk =
        Walk { elf: module.elf(), whole, contents, generic: GenericTypes::of(&whole.unit) };
    walk.entries();
    Some(UnitContents { coded: Vec::new(), covered: Vec::new(), ..walk.contents })
}

impl<'a> Walk<'_, 'a> {
    /// Ranges and files.
    fn head(&mut self) {
        let (dwarf, unit) = self.whole.lines();
        if let Ok(mut ranges) = crate::unit_ranges(dwarf, unit) {
            while let Ok(Some(range)) = ranges.next() {
                if range.begin < range.end && self.elf.is_code(range.begin) {
                    self.contents.ranges.push((range.begin, range.end));
                }
            }
        }
        let Some(program) = &unit.line_program else { return };
        self.contents.has_lines = true;
        let names = program.header().file_names().iter();
        let hash = |entry: &gimli::FileEntry<Slice<'a>>| {
            let name = dwarf.attr_string(unit, entry.path_name()).ok()?;
            Some(file_hash(&String::from_utf8_lossy(name.slice())))
        };
        self.contents.files = names.filter_map(hash).collect();
        // A file that the header does not name is the unit's own.
        if let Some(name) = self.whole.unit.name {
            self.contents.files.push(file_hash(&String::from_utf8_lossy(name.slice())));
        }
        self.contents.files.sort_unstable();
        self.contents.files.dedup();
    }

    fn entries(&mut self) {
        let Ok(mut entries) = self.whole.unit.entries_raw(None) else { return };
        // A damaged entry ends the unit: nobody knows where the next one begins.
        while !entries.is_empty() {
            if self.entry(&mut entries).is_none() {
                break;
            }
        }
    }

    fn entry(&mut self, entries: &mut EntriesRaw<'_, '_, Slice<'a>>) -> Option<()> {
        let offset =
            self.contents.offset.checked_add(u64::try_from(entries.next_offset().0).ok()?)?;
        let depth = entries.next_depth();
        let Some(abbreviation) = entries.read_abbreviation().ok()? else { return Some(()) };
        self.generic.leave(depth);
        let inlined = match abbreviation.tag() {
            constants::DW_TAG_structure_type => {
                let (dwarf, unit) = (&self.whole.dwarf, &self.whole.unit);
                return self.generic.enter(entries, abbreviation, depth, dwarf, unit);
            }
            constants::DW_TAG_subprogram => false,
            constants::DW_TAG_inlined_subroutine => true,
            _ => return entries.skip_attributes(abbreviation.attributes()).ok(),
        };
        let (mut said, mut code) = (Said::default(), EntryCode::default());
        said.owner = self.generic.owner(depth).unwrap_or_default();
        for spec in abbreviation.attributes() {
            let attribute = entries.read_attribute(*spec).ok()?;
            code.add(&attribute);
            self.attribute(&attribute, &mut said);
        }
        if !inlined {
            self.contents.functions.push((offset, said));
        }
        self.code(said, &code, inlined);
        Some(())
    }

    fn attribute(&self, attribute: &Attribute<Slice<'a>>, said: &mut Said<'a>) {
        let text = || {
            let text = self.whole.dwarf.attr_string(&self.whole.unit, attribute.value()).ok();
            text.map_or(&[][..], |text| text.slice())
        };
        match attribute.name() {
            constants::DW_AT_name => said.name = text(),
            constants::DW_AT_linkage_name | constants::DW_AT_MIPS_linkage_name => {
                said.linkage = text();
            }
            constants::DW_AT_abstract_origin | constants::DW_AT_specification => {
                let number = self.whole.references.number(self.whole.start, &attribute.value());
                said.other = number.and_then(|number| u64::try_from(number).ok()).or(said.other);
            }
            _ => {}
        }
    }

    fn code(&mut self, said: Said<'a>, code: &EntryCode<'a>, inlined: bool) {
        let ranges = code.ranges(self.elf, &self.whole.dwarf, &self.whole.unit);
        let Some(&(first, end)) = ranges.first() else { return };
        if !inlined {
            self.contents.covered.extend(&ranges);
            self.contents.coded.push(Coded { said, start: first, end, inlined });
            return;
        }
        let lowest = ranges.iter().map(|(start, _)| *start).min().unwrap_or(first);
        let start = code.entry(&self.whole.dwarf, &self.whole.unit).unwrap_or(lowest);
        self.contents.coded.push(Coded { said, start, end, inlined });
    }
}
