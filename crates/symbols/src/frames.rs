//! What runs at an address: the function and line, and those that it was inlined into.

use retake_model::FileAddr;

use crate::demangle::demangle;
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
        let mut list = self.dwarf_frames(addr.get());
        if list.iter().all(|frame| frame.function.is_none())
            && let Some(symbol) = self.symbols().at(addr.get())
        {
            let name = demangle(&symbol.name).unwrap_or_else(|| symbol.name.clone());
            match list.last_mut() {
                Some(frame) => frame.function = Some(name),
                None => list.push(CodeFrame { function: Some(name), location: None }),
            }
        }
        list
    }

    fn dwarf_frames(&self, addr: u64) -> Vec<CodeFrame> {
        let Some(context) = self.context() else { return Vec::new() };
        let Ok(mut frames) = context.find_frames(addr).skip_all_loads() else { return Vec::new() };
        let mut list = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.and_then(|function| {
                let raw = function.raw_name().ok()?.into_owned();
                Some(demangle(&raw).unwrap_or(raw))
            });
            let location = frame.location.and_then(|location| {
                Some(SourceLocation {
                    file: location.file?.to_owned(),
                    line: location.line?,
                    column: location.column.unwrap_or(0),
                })
            });
            list.push(CodeFrame { function, location });
        }
        list
    }
}
