//! Line tables (DWARF 5 §6.2).

use std::collections::BTreeMap;
use std::sync::Arc;

use gimli::{DebugInfoOffset, Unit};
use retake_model::FileAddr;

use crate::frames::SourceLocation;
use crate::module::Module;
use crate::parallel;
use crate::prologue::after_prologue;
use crate::sections::Slice;
use crate::split::dwarf_of_module;

/// A row of a line table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) addr: u64,
    pub(crate) line: u32,
    /// From 1; 0 if it is not known.
    pub(crate) column: u32,
    pub(crate) file: u64,
    pub(crate) is_stmt: bool,
    pub(crate) prologue_end: bool,
}

/// Code of a source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePlace {
    /// Where it is.
    pub addr: FileAddr,
    /// The source file, as the compiler wrote it.
    pub file: String,
    /// The line; a later one than was asked for if that has no code.
    pub line: u32,
}

/// How far below a line without code its code is looked for.
const NEXT_LINES: u32 = 50;

/// The path of file `index` of a unit.
pub(crate) fn file_path(
    dwarf: &gimli::Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    index: u64,
) -> Option<String> {
    let header = unit.line_program.as_ref()?.header();
    let entry = header.file(index)?;
    let text = |attr| {
        let slice = dwarf.attr_string(unit, attr).ok()?;
        Some(String::from_utf8_lossy(slice.slice()).into_owned())
    };
    let name = text(entry.path_name())?;
    if name.starts_with('/') {
        return Some(name);
    }
    let join = |dir: &str, name: &str| format!("{}/{name}", dir.trim_end_matches('/'));
    let mut path = name;
    if let Some(dir) = entry.directory(header).and_then(text).filter(|dir| !dir.is_empty()) {
        path = join(&dir, &path);
    }
    if !path.starts_with('/')
        && let Some(dir) = unit.comp_dir
    {
        path = join(&String::from_utf8_lossy(dir.slice()), &path);
    }
    Some(path)
}

/// Whether `path` is the file that somebody means by `wanted`: the whole path or its last parts.
pub(crate) fn is_file(path: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_start_matches("./");
    path == wanted || path.strip_suffix(wanted).is_some_and(|head| head.ends_with('/'))
}

/// The rows of a unit that are about code of the module, by address. The linker leaves the rows of
/// functions that it discarded, at addresses from 0 on.
fn code_rows(module: &Module, unit: &Unit<Slice<'_>>) -> Vec<Row> {
    let Some(program) = unit.line_program.clone() else { return Vec::new() };
    let mut list = Vec::new();
    let mut rows = program.rows();
    let mut sequence: Option<bool> = None;
    while let Ok(Some((_, row))) = rows.next_row() {
        if row.end_sequence() {
            sequence = None;
            continue;
        }
        if *sequence.get_or_insert_with(|| module.elf().is_code(row.address())) {
            list.push(Row::from(row));
        }
    }
    // Several rows of one address are in the order that the compiler meant.
    list.sort_by_key(|row| row.addr);
    list
}

impl From<&gimli::LineRow> for Row {
    fn from(row: &gimli::LineRow) -> Self {
        Self {
            addr: row.address(),
            line: row.line().and_then(|line| u32::try_from(line.get()).ok()).unwrap_or(0),
            column: match row.column() {
                gimli::ColumnType::LeftEdge => 0,
                gimli::ColumnType::Column(column) => u32::try_from(column.get()).unwrap_or(0),
            },
            file: row.file_index(),
            is_stmt: row.is_stmt(),
            prologue_end: row.prologue_end(),
        }
    }
}

/// The line table of a unit.
#[derive(Debug, Default)]
pub(crate) struct UnitLines {
    /// By address.
    pub(crate) rows: Vec<Row>,
    /// Those that rows are of.
    files: BTreeMap<u64, Arc<str>>,
}

impl UnitLines {
    /// The lines of the unit at an offset of `.debug_info`; none if that is no unit.
    pub(crate) fn load(module: &Module, offset: usize) -> Option<Self> {
        let dwarf = dwarf_of_module::<Slice<'_>>(module);
        let at = DebugInfoOffset(offset);
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
        Some(Self { rows, files })
    }

    pub(crate) fn file(&self, index: u64) -> Option<&Arc<str>> {
        self.files.get(&index)
    }

    /// The rows from one address to another.
    pub(crate) fn between(&self, start: u64, end: u64) -> &[Row] {
        let from = self.rows.partition_point(|row| row.addr < start);
        let until = self.rows.partition_point(|row| row.addr < end);
        self.rows.get(from..until).unwrap_or_default()
    }

    /// Where in the source the code at an address is, which lies in `range`.
    pub(crate) fn source_at(&self, addr: u64, range: (u64, u64)) -> Option<SourceLocation> {
        let row = self.between(range.0, addr.saturating_add(1).min(range.1)).last()?;
        (row.line > 0).then_some(())?;
        let file = self.file(row.file)?.to_string();
        Some(SourceLocation { file, line: row.line, column: row.column })
    }
}

impl Module {
    /// The paths of all source files that lines of code lie in, or that are named beside those.
    pub fn source_files(&self) -> Vec<String> {
        let dwarf = dwarf_of_module::<Slice<'_>>(self);
        let (mut paths, mut units) = (Vec::new(), dwarf.units());
        while let Ok(Some(header)) = units.next() {
            let Ok(unit) = dwarf.unit(header) else { continue };
            let Some(program) = &unit.line_program else { continue };
            let count = u64::try_from(program.header().file_names().len()).unwrap_or(0);
            paths.extend((0..=count).filter_map(|index| file_path(&dwarf, &unit, index)));
        }
        paths
    }

    /// Where a source line can be stopped at: once in each function that has code of it, inlined
    /// copies included. `file` is a path or the end of one. A line without code stands for the next
    /// one that has some.
    pub fn find_line(&self, file: &str, line: u32) -> Vec<LinePlace> {
        let units = self.index().units_with(file);
        let near = line..=line.saturating_add(NEXT_LINES);
        let found = parallel::map(&units, |unit| {
            let lines = self.units().lines(self, *unit);
            let asked: Vec<u64> = lines
                .files
                .iter()
                .filter(|(_, path)| is_file(path, file))
                .map(|(at, _)| *at)
                .collect();
            let fits =
                |row: &&Row| row.is_stmt && near.contains(&row.line) && asked.contains(&row.file);
            let rows: Vec<Row> = lines.rows.iter().filter(fits).copied().collect();
            rows.into_iter().filter_map(|row| Some((row, lines.file(row.file)?.clone()))).collect()
        });
        let mut found: Vec<(Row, Arc<str>)> =
            found.into_iter().flat_map(|rows: Vec<_>| rows).collect();
        let Some(first) = found.iter().map(|(row, _)| row.line).min() else { return Vec::new() };
        found.retain(|(row, _)| row.line == first);
        found.sort_by_key(|(row, _)| row.addr);
        self.one_per_function(found)
    }

    fn one_per_function(&self, found: Vec<(Row, Arc<str>)>) -> Vec<LinePlace> {
        let mut seen = Vec::new();
        let mut places = Vec::new();
        for (row, file) in found {
            let function = self.code_at(row.addr);
            let key = function.as_ref().map(|code| code.key);
            if key.is_some() && seen.contains(&key) {
                continue;
            }
            seen.push(key);
            // The line of a function's head means its body.
            let addr = match function.and_then(|code| code.stop_at) {
                Some((entry, stop_at)) if entry == row.addr => stop_at,
                _ => row.addr,
            };
            places.push(LinePlace {
                addr: FileAddr::new(addr),
                file: file.to_string(),
                line: row.line,
            });
        }
        places.dedup_by_key(|place| place.addr);
        places
    }

    /// Where to stop for a function whose rows are among `lines`.
    pub(crate) fn stop_address(&self, start: u64, end: u64, lines: &UnitLines) -> u64 {
        let code = self.elf().bytes_at(FileAddr::new(start), 8).unwrap_or_default();
        after_prologue(start, lines.between(start, end), code)
    }
}
