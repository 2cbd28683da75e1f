//! What runs at an address: the function and line, and those that it was inlined into.

use std::sync::Arc;

use retake_model::FileAddr;

use crate::function_code::FunctionCode;
use crate::module::Module;

/// A line of source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The file, as the compiler wrote it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1; 0 if it is not known.
    pub column: u32,
}

/// A function that is running at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeFrame {
    /// Its readable name.
    pub function: Option<String>,
    /// Where in it.
    pub location: Option<SourceLocation>,
}

impl Module {
    /// What runs at `addr`: the innermost inlined function first, the function that really has the
    /// code last. Empty if nothing is known.
    pub fn frames_at(&self, addr: FileAddr) -> Vec<CodeFrame> {
        let Some(code) = self.function_code(addr) else { return Vec::new() };
        let Some(offset) = self.offset_of_file_addr(addr) else { return Vec::new() };
        let text = |name: &Option<Arc<str>>| name.as_deref().map(str::to_owned);
        let mut location = self.source_at(addr, &code);
        let mut list = Vec::new();
        for inlined in code.chain(code.inlined_at(offset)) {
            let around = inlined.call.clone();
            let location = std::mem::replace(&mut location, around);
            list.push(CodeFrame { function: text(&inlined.name), location });
        }
        list.push(CodeFrame { function: text(&code.name), location });
        list.retain(|frame| frame.function.is_some() || frame.location.is_some());
        list
    }

    fn source_at(&self, addr: FileAddr, code: &FunctionCode) -> Option<SourceLocation> {
        let offset = self.offset_of_file_addr(addr)?;
        let range = code.ranges.iter().find(|range| range.contains(&offset))?;
        let address = |offset| self.file_addr_of_offset(offset).map(FileAddr::get);
        let start = address(range.start)?;
        let end = start.checked_add(range.end.get().checked_sub(range.start.get())?)?;
        let units = self.units().at(self, addr.get());
        units.iter().find_map(|(_, unit)| unit.lines.source_at(addr.get(), (start, end)))
    }
}
