//! Line tables (DWARF 5 §6.2).

use gimli::Unit;
use retake_model::FileAddr;

use crate::module::Module;
use crate::prologue::after_prologue;
use crate::sections::Slice;

/// A row of a line table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) addr: u64,
    pub(crate) line: u32,
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

/// All rows of a unit, by address.
pub(crate) fn rows(unit: &Unit<Slice<'_>>, keep: impl Fn(u64) -> bool) -> Vec<Row> {
    let Some(program) = unit.line_program.clone() else { return Vec::new() };
    let mut list = Vec::new();
    let mut rows = program.rows();
    while let Ok(Some((_, row))) = rows.next_row() {
        if row.end_sequence() || !keep(row.file_index()) {
            continue;
        }
        list.push(Row::from(row));
    }
    // Several rows of one address are in the order that the compiler meant.
    list.sort_by_key(|row| row.addr);
    list
}

/// The rows of a unit that are about code of the module, by address. The linker leaves the rows of
/// functions that it discarded, at addresses from 0 on.
pub(crate) fn code_rows(module: &Module, unit: &Unit<Slice<'_>>) -> Vec<Row> {
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
            file: row.file_index(),
            is_stmt: row.is_stmt(),
            prologue_end: row.prologue_end(),
        }
    }
}

impl Module {
    /// The paths of all source files that lines of code lie in, or that are named beside those.
    pub fn source_files(&self) -> Vec<String> {
        let dwarf = self.sections().dwarf();
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
        let dwarf = self.sections().dwarf();
        let mut found: Vec<(Row, String)> = Vec::new();
        let mut units = dwarf.units();
        while let Ok(Some(header)) = units.next() {
            let Ok(unit) = dwarf.unit(header) else { continue };
            let Some(program) = &unit.line_program else { continue };
            let count = u64::try_from(program.header().file_names().len()).unwrap_or(0);
            let files: Vec<(u64, String)> = (0..=count)
                .filter_map(|index| Some((index, file_path(&dwarf, &unit, index)?)))
                .filter(|(_, path)| is_file(path, file))
                .collect();
            if files.is_empty() {
                continue;
            }
            let path = |row: &Row| files.iter().find(|(index, _)| *index == row.file);
            let rows = rows(&unit, |index| files.iter().any(|(file, _)| *file == index));
            let near = line..=line.saturating_add(NEXT_LINES);
            let fits =
                |row: &Row| row.is_stmt && near.contains(&row.line) && self.elf().is_code(row.addr);
            found.extend(
                rows.into_iter().filter(fits).filter_map(|row| Some((row, path(&row)?.1.clone()))),
            );
        }
        let Some(first) = found.iter().map(|(row, _)| row.line).min() else { return Vec::new() };
        found.retain(|(row, _)| row.line == first);
        found.sort_by_key(|(row, _)| row.addr);
        self.one_per_function(found)
    }

    fn one_per_function(&self, found: Vec<(Row, String)>) -> Vec<LinePlace> {
        let mut seen = Vec::new();
        let mut places = Vec::new();
        for (row, file) in found {
            let function = self.functions().innermost(row.addr);
            let key = function.map(|code| code.id);
            if key.is_some() && seen.contains(&key) {
                continue;
            }
            seen.push(key);
            // The line of a function's head means its body.
            let addr = match function {
                Some(code) if code.start == row.addr && !code.inlined => code.stop_at,
                _ => row.addr,
            };
            places.push(LinePlace { addr: FileAddr::new(addr), file, line: row.line });
        }
        places.dedup_by_key(|place| place.addr);
        places
    }

    /// Where to stop for a function whose rows are among `rows`, ascending.
    pub(crate) fn stop_address(&self, start: u64, end: u64, rows: &[Row]) -> u64 {
        let from = rows.partition_point(|row| row.addr < start);
        let until = rows.partition_point(|row| row.addr < end);
        let code = self.elf().bytes_at(FileAddr::new(start), 8).unwrap_or_default();
        after_prologue(start, rows.get(from..until).unwrap_or_default(), code)
    }
}
