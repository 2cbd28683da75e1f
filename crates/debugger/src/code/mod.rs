//! Code of the recorded files: names, lines and frames.
//!
//! The debugger talks to [`CodeReader`] and [`CodeModule`] only, in offsets of files. What reads
//! ELF and DWARF is behind them; tests have modules made of text.

mod catalog;
mod dwarf;
mod none;
#[cfg(any(test, feature = "text-code"))]
pub(crate) mod text;

use std::any::Any;
use std::fmt;

use regex::Regex;
use retake_execution::FileBytes;
use retake_model::{Addr, AddrRange, FileOffset, Registers};
use serde::{Deserialize, Serialize};

pub use none::NoCode;

pub(crate) use catalog::{Catalog, file_at};

/// The reader of ELF files with DWARF.
pub fn default_reader() -> Box<dyn CodeReader> {
    Box::new(dwarf::DwarfReader)
}

/// Parses files and unwinds stacks over them.
pub trait CodeReader: fmt::Debug {
    /// Parses a file.
    ///
    /// # Errors
    /// When it is not code that can be understood; the text says why.
    fn parse(&self, bytes: FileBytes) -> Result<Box<dyn CodeModule>, String>;

    /// The frames of a stack, innermost first, at most `max`.
    fn unwind(
        &self,
        loaded: &[Loaded<'_>],
        registers: &Registers,
        read: &mut dyn FnMut(Addr) -> Option<u64>,
        max: usize,
    ) -> Vec<RawFrame>;
}

/// A module where it is mapped executable.
#[derive(Clone, Copy, Debug)]
pub struct Loaded<'a> {
    /// The module.
    pub module: &'a dyn CodeModule,
    /// The addresses.
    pub range: AddrRange,
    /// What of the file is at the first address.
    pub offset: FileOffset,
}

/// A frame as it is found by unwinding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// Where it goes on.
    pub pc: Addr,
    /// The address to look up (inside the call, for a return address).
    pub lookup: Addr,
    /// Its stack pointer.
    pub sp: Addr,
}

/// The code of one file.
pub trait CodeModule: fmt::Debug {
    /// Where the functions of this name can be stopped at.
    fn find_functions(&self, name: &str) -> Vec<CodePlace>;

    /// Where the functions that match can be stopped at.
    fn functions_matching(&self, pattern: &Regex) -> Vec<CodePlace>;

    /// Where a source line can be stopped at. `file` is the end of a path.
    fn find_line(&self, file: &str, line: u32) -> Vec<CodePlace>;

    /// What runs at an offset: the inlined function first, then the one it is inlined in.
    fn frames_at(&self, offset: FileOffset) -> Vec<CodeFrame>;

    /// The module itself, for the reader that made it.
    fn as_any(&self) -> &dyn Any;
}

/// A place to stop at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePlace {
    /// The byte in the file.
    pub offset: FileOffset,
    /// The function, where it is known.
    pub function: Option<String>,
    /// The source line, where it is known.
    pub source: Option<SourceLine>,
}

/// A function at a place, with the source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeFrame {
    /// Its name.
    pub function: Option<String>,
    /// The source line.
    pub source: Option<SourceLine>,
}

/// A line of a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// The path, as the compiler wrote it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
