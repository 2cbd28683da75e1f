//! A function with the places where its source lines begin.

use std::ops::Range;
use std::sync::{Arc, PoisonError};

use retake_model::{FileAddr, FileOffset};

use crate::demangle::demangle;
use crate::frames::SourceLocation;
use crate::module::Module;
use crate::statements::{self, Outline};
use crate::units::FunctionKey;

/// The code of one function that really exists (is not inlined), in offsets of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCode {
    /// Its readable name.
    pub name: Option<Arc<str>>,
    /// Its first instruction.
    pub entry: FileOffset,
    /// Where to stop in it after a call: after the frame is set up.
    pub stop_at: FileOffset,
    /// Its code, ascending. Code that seldom runs may be far away (`.cold`).
    pub ranges: Vec<Range<FileOffset>>,
    /// The functions inlined into it, outer ones before those inlined into them.
    pub inlined: Vec<InlinedCode>,
    /// Where source lines begin, ascending. Empty without line information.
    pub statements: Vec<Statement>,
}

/// A function inlined into another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinedCode {
    /// Its readable name.
    pub name: Option<Arc<str>>,
    /// What it is inlined into, if that is inlined itself: an index of [`FunctionCode::inlined`].
    pub parent: Option<usize>,
    /// How many inlined functions are around its code, itself included: 1 or more.
    pub depth: usize,
    /// Where it begins.
    pub entry: FileOffset,
    /// Its code, ascending; that of functions inlined into it included.
    pub ranges: Vec<Range<FileOffset>>,
    /// Where it is called, in its parent.
    pub call: Option<SourceLocation>,
}

/// A place where a source line begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The place.
    pub offset: FileOffset,
    /// More rows of the same line that follow with no other line between. Straight execution goes on
    /// within the line there; a jump from another line may lead to one of them.
    pub again: Vec<FileOffset>,
    /// The file, as the compiler wrote it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The innermost inlined function here: an index of [`FunctionCode::inlined`].
    pub inlined: Option<usize>,
}

fn contains(ranges: &[Range<FileOffset>], offset: FileOffset) -> bool {
    ranges.iter().any(|range| range.contains(&offset))
}

impl FunctionCode {
    /// Whether code of the function is there.
    pub fn contains(&self, offset: FileOffset) -> bool {
        contains(&self.ranges, offset)
    }

    /// Whether any line of it is known.
    pub fn has_lines(&self) -> bool {
        !self.statements.is_empty()
    }

    /// Whether the frame is not set up yet: the place is before [`Self::stop_at`].
    pub fn is_in_prologue(&self, offset: FileOffset) -> bool {
        (self.entry..self.stop_at).contains(&offset)
    }

    /// The innermost inlined function at a place: an index of [`Self::inlined`].
    pub fn inlined_at(&self, offset: FileOffset) -> Option<usize> {
        let here =
            self.inlined.iter().enumerate().filter(|(_, code)| contains(&code.ranges, offset));
        here.max_by_key(|(_, code)| code.depth).map(|(index, _)| index)
    }

    /// An inlined function and those around it, innermost first.
    pub fn chain(&self, innermost: Option<usize>) -> impl Iterator<Item = &InlinedCode> {
        let get = |index: usize| self.inlined.get(index);
        // A parent is always before its child in the list.
        std::iter::successors(innermost.and_then(get), move |code| code.parent.and_then(get))
    }

    /// How many inlined functions are around a place.
    pub fn depth_at(&self, offset: FileOffset) -> usize {
        self.inlined_at(offset)
            .and_then(|index| self.inlined.get(index))
            .map_or(0, |code| code.depth)
    }

    /// The statement whose code a place belongs to: the last one that begins there or before it in
    /// the same range.
    pub fn statement_at(&self, offset: FileOffset) -> Option<&Statement> {
        let range = self.ranges.iter().find(|range| range.contains(&offset))?;
        let after = self.statements.partition_point(|statement| statement.offset <= offset);
        let statement = self.statements.get(after.checked_sub(1)?)?;
        range.contains(&statement.offset).then_some(statement)
    }
}

impl Module {
    /// The function that really has the code at `addr`. Known from DWARF, else from symbols, else
    /// from call frame information; the last two without statements, except for assembly with a line
    /// table. Kept for the next question.
    pub fn function_code(&self, addr: FileAddr) -> Option<Arc<FunctionCode>> {
        if !self.elf().is_code(addr.get()) {
            return None;
        }
        let units = self.units().at(self, addr.get());
        let described = units.iter().find_map(|(offset, unit)| {
            unit.function_at(addr.get()).map(|function| (*offset, unit, function))
        });
        match described {
            Some((offset, unit, function)) => self.kept((Some(offset), function.entry), || {
                statements::build(self, &unit.outline(self, function)?, Some(unit))
            }),
            None => {
                let symbol = self.symbols().at(addr.get()).map(|symbol| symbol.addr);
                let frame = || self.frame_table().range_at(addr.get()).map(|(start, _)| start);
                self.kept((None, symbol.or_else(frame)?), || {
                    let outline = self.undescribed(addr.get())?;
                    let mut units = units.iter().map(|(_, unit)| unit.as_ref());
                    statements::build(self, &outline, units.find(|unit| unit.has_row(&outline)))
                })
            }
        }
    }

    fn kept(
        &self,
        key: FunctionKey,
        build: impl FnOnce() -> Option<FunctionCode>,
    ) -> Option<Arc<FunctionCode>> {
        let kept = || self.units().functions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().get(&key).cloned();
        match known {
            Some(known) => Some(known),
            None => Some(kept().entry(key).or_insert(Arc::new(build()?)).clone()),
        }
    }

    /// A function that DWARF does not describe.
    fn undescribed(&self, addr: u64) -> Option<Outline> {
        let frame = self.frame_table().range_at(addr);
        let Some(symbol) = self.symbols().at(addr) else {
            let range = frame?;
            return Some(Outline { entry: range.0, ranges: vec![range], ..Outline::default() });
        };
        let range = |symbol: &crate::symtab::CodeSymbol| {
            let known = symbol.addr.checked_add(symbol.size).filter(|_| symbol.size > 0);
            let end = known.or_else(|| {
                let frame = self.frame_table().range_at(symbol.addr).map(|(_, end)| end);
                let next = self.symbols().next_after(symbol.addr).map(|next| next.addr);
                [frame, next].into_iter().flatten().min()
            });
            (symbol.addr, end.unwrap_or(symbol.addr.saturating_add(1)).max(symbol.addr))
        };
        let mut ranges = vec![range(symbol)];
        // The size is not known, and nothing comes after.
        if !ranges.iter().any(|(start, end)| (*start..*end).contains(&addr)) {
            ranges = vec![(symbol.addr, addr.saturating_add(1))];
        }
        let mut entry = symbol.addr;
        // `work.cold` is the part of `work` that seldom runs.
        let whole = symbol.name.split_once(".cold").map(|(whole, _)| whole);
        if let Some(whole) = whole.and_then(|name| self.symbols().only(name)) {
            entry = whole.addr;
            ranges.push(range(whole));
        } else if let Some(cold) = self.symbols().only(&format!("{}.cold", symbol.name)) {
            ranges.push(range(cold));
        }
        ranges.sort_unstable();
        let name = demangle(&symbol.name).unwrap_or_else(|| symbol.name.clone());
        let name = name.split(".cold").next().unwrap_or(&name);
        Some(Outline { name: Some(Arc::from(name)), entry, ranges, inlined: Vec::new() })
    }

    /// Whether lines of the function at `addr` are known.
    pub fn has_lines(&self, addr: FileAddr) -> bool {
        self.function_code(addr).is_some_and(|function| function.has_lines())
    }

    /// Whether `addr` is in the first instructions of a function, which set its frame up.
    pub fn is_in_prologue(&self, addr: FileAddr) -> bool {
        let offset = self.offset_of_file_addr(addr);
        let function = self.function_code(addr);
        offset.zip(function).is_some_and(|(offset, function)| function.is_in_prologue(offset))
    }

    /// Where to stop after a call that leads to `target`: behind the prologue if `target` is an entry
    /// or in a prologue, else at `target` itself. `None` for code without lines.
    pub fn stop_of_call(&self, target: FileAddr) -> Option<FileAddr> {
        let function = self.function_code(target).filter(|function| function.has_lines())?;
        let offset = self.offset_of_file_addr(target)?;
        if function.is_in_prologue(offset) {
            return self.file_addr_of_offset(function.stop_at);
        }
        Some(target)
    }
}
