//! Which rows of a line table begin a statement.

use std::ops::Range;
use std::sync::Arc;

use retake_model::{FileAddr, FileOffset};

use crate::frames::SourceLocation;
use crate::function_code::{FunctionCode, InlinedCode, Statement};
use crate::lines::Row;
use crate::module::Module;
use crate::unit_code::UnitCode;

/// A function, in addresses of its file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outline {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) entry: u64,
    /// Ascending.
    pub(crate) ranges: Vec<(u64, u64)>,
    /// Outer ones first.
    pub(crate) inlined: Vec<InlinedOutline>,
}

/// A function inlined into another one.
#[derive(Clone, Debug)]
pub(crate) struct InlinedOutline {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) parent: Option<usize>,
    pub(crate) depth: usize,
    pub(crate) entry: u64,
    pub(crate) ranges: Vec<(u64, u64)>,
    pub(crate) call: Option<SourceLocation>,
}

fn offset(module: &Module, addr: u64) -> Option<FileOffset> {
    module.offset_of_file_addr(FileAddr::new(addr))
}

/// The ranges as offsets; code that is not in the file is left out.
fn offsets(module: &Module, ranges: &[(u64, u64)]) -> Vec<Range<FileOffset>> {
    let range = |(start, end): &(u64, u64)| {
        let from = offset(module, *start)?;
        Some(from..from.checked_add(end.checked_sub(*start)?)?)
    };
    ranges.iter().filter_map(range).collect()
}

/// The code of a function, with what `unit` says of its lines.
pub(crate) fn build(
    module: &Module,
    outline: &Outline,
    unit: Option<&UnitCode>,
) -> Option<FunctionCode> {
    let entry = offset(module, outline.entry)?;
    let first = outline.ranges.iter().find(|(start, end)| (*start..*end).contains(&outline.entry));
    let end = first.map_or(outline.entry, |(_, end)| *end);
    let stop_at = unit.map(|unit| module.stop_address(outline.entry, end, &unit.lines));
    let stop_at = stop_at.and_then(|addr| offset(module, addr)).unwrap_or(entry);
    let inlined = |code: &InlinedOutline| InlinedCode {
        name: code.name.clone(),
        parent: code.parent,
        depth: code.depth,
        entry: offset(module, code.entry).unwrap_or(entry),
        ranges: offsets(module, &code.ranges),
        call: code.call.clone(),
    };
    Some(FunctionCode {
        name: outline.name.clone(),
        entry,
        stop_at,
        ranges: offsets(module, &outline.ranges),
        inlined: outline.inlined.iter().map(inlined).collect(),
        statements: unit.map_or_else(Vec::new, |unit| statements(module, outline, unit)),
    })
}

/// What tells the code of one line from that of another.
type Key = (u64, u32, Option<usize>);

fn statements(module: &Module, outline: &Outline, unit: &UnitCode) -> Vec<Statement> {
    let mut list: Vec<Statement> = Vec::new();
    let mut inlined = Sweep::new(outline);
    for &(start, end) in &outline.ranges {
        let rows = unit.lines.between(start, end);
        // The line that the rows are in, and whether the last statement is its begin.
        let mut current: Option<(Key, bool)> = None;
        for rows in rows.chunk_by(|a, b| a.addr == b.addr) {
            let Some(row) = meant(rows) else { continue };
            let (Some(at), Some(file)) = (offset(module, row.addr), unit.lines.file(row.file))
            else {
                continue;
            };
            let innermost = inlined.at(row.addr);
            let key = (row.file, row.line, innermost);
            let begun = matches!(current, Some((now, true)) if now == key);
            match list.last_mut().filter(|_| begun) {
                Some(statement) if row.is_stmt => statement.again.push(at),
                None if row.is_stmt => list.push(Statement {
                    offset: at,
                    again: Vec::new(),
                    file: Arc::clone(file),
                    line: row.line,
                    inlined: innermost,
                }),
                _ => {}
            }
            current = Some((key, begun || row.is_stmt));
        }
    }
    list
}

/// The row that counts of those at one address: the last one, as earlier ones have no code. If that
/// is not the begin of a statement, it is the last one before it that is (gdb does the same). `None`
/// if the code has no line.
fn meant(rows: &[Row]) -> Option<Row> {
    let last = rows.last().filter(|row| row.line != 0)?;
    let with_line = rows.iter().rev().take_while(|row| row.line != 0);
    Some(*with_line.into_iter().find(|row| row.is_stmt).unwrap_or(last))
}

/// The innermost inlined function of addresses that are asked for in ascending order.
struct Sweep {
    /// First address, end, depth, index; the one to begin first last.
    coming: Vec<(u64, u64, usize, usize)>,
    active: Vec<(u64, usize, usize)>,
}

impl Sweep {
    fn new(outline: &Outline) -> Self {
        let codes = outline.inlined.iter().enumerate();
        let mut coming: Vec<_> = codes
            .flat_map(|(index, code)| {
                code.ranges.iter().map(move |(start, end)| (*start, *end, code.depth, index))
            })
            .collect();
        coming.sort_unstable_by(|a, b| b.cmp(a));
        Self { coming, active: Vec::new() }
    }

    fn at(&mut self, addr: u64) -> Option<usize> {
        while let Some((_, end, depth, index)) = self.coming.pop_if(|next| next.0 <= addr) {
            self.active.push((end, depth, index));
        }
        self.active.retain(|(end, ..)| addr < *end);
        self.active.iter().max_by_key(|(_, depth, index)| (*depth, *index)).map(|(.., i)| *i)
    }
}
