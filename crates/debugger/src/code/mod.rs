//! Code of the recorded files: names, lines and frames.
//!
//! The debugger talks to [`CodeReader`] and [`CodeModule`] only, in offsets of files. What reads
//! ELF and DWARF is behind them; tests have modules made of text.

mod cache;
mod catalog;
mod dwarf;
mod files;
mod none;
mod stepping;
#[cfg(any(test, feature = "text-code"))]
pub(crate) mod text;

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use regex::Regex;
use retake_execution::{FileBytes, KeptFiles};
use retake_model::{Addr, AddrRange, ContentHash, FileAddr, FileOffset, Registers};
use retake_symbols::SplitName;
use retake_values::Info;
use serde::{Deserialize, Serialize};

pub use none::NoCode;
pub use stepping::{
    CallerFrame, Cfa, FrameKind, FrameRule, FunctionCode, InlinedCode, PcKind, RuleSource, Saved,
    Statement, Trampoline,
};

pub(crate) use catalog::{Catalog, file_at};
pub use files::{FilesBeside, files_beside, sources_of};
pub(crate) use files::{is_of_others, not_found};

/// The reader of ELF files with DWARF. What it finds out about large files is kept in a folder, if there is one.
pub fn default_reader(cache: Option<PathBuf>) -> Box<dyn CodeReader> {
    Box::new(dwarf::DwarfReader::new(cache))
}

/// A file to parse.
#[derive(Clone)]
pub struct CodeFile {
    /// Its path when it was recorded.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: FileBytes,
    /// The hash of its bytes, if it is known.
    pub hash: Option<ContentHash>,
    /// What the recording keeps of files that lay beside it.
    pub kept: Arc<dyn KeptFiles>,
}

impl fmt::Debug for CodeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Parses files and unwinds stacks over them.
pub trait CodeReader: fmt::Debug {
    /// Parses a file.
    ///
    /// # Errors
    /// When it is not code that can be understood; the text says why.
    fn parse(&self, file: CodeFile) -> Result<Box<dyn CodeModule>, String>;

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

    /// The names of the functions that match, each once.
    fn function_names(&self, pattern: &Regex) -> Vec<String> {
        let found = self.functions_matching(pattern).into_iter();
        found.filter_map(|place| place.function).collect()
    }

    /// The paths of all source files, as the compiler wrote them.
    fn source_files(&self) -> Vec<String> {
        Vec::new()
    }

    /// Where a source line can be stopped at. `file` is the end of a path.
    fn find_line(&self, file: &str, line: u32) -> Vec<CodePlace>;

    /// What runs at an offset: the inlined function first, then the one it is inlined in.
    fn frames_at(&self, offset: FileOffset) -> Vec<CodeFrame>;

    /// The function that really has the code at an offset (is not inlined there): its ranges, and
    /// where source lines begin in it. Kept by the module, and asked for often.
    fn function_code(&self, _offset: FileOffset) -> Option<Arc<FunctionCode>> {
        None
    }

    /// How the caller's frame is found when the instruction at an offset is about to run.
    fn frame_rule(&self, _offset: FileOffset) -> Option<FrameRule> {
        None
    }

    /// The rule for a frame with this program counter: [`Self::frame_rule`] at the address to look
    /// up, except in what a signal handler returns to.
    fn rule_of_frame(&self, pc: FileOffset, kind: PcKind) -> Option<FrameRule> {
        self.frame_rule(FileOffset::new(kind.lookup(pc.get())))
    }

    /// The frame around the one with these registers, whose program counter is at `pc` of this file.
    /// `read` gives the word at an address of memory. `None` where the stack ends.
    fn caller_frame(
        &self,
        pc: FileOffset,
        kind: PcKind,
        registers: &Registers,
        read: &mut dyn FnMut(Addr) -> Option<u64>,
    ) -> Option<CallerFrame> {
        self.rule_of_frame(pc, kind)?.caller(registers, read)
    }

    /// The canonical frame address of such a frame. With the entry of its function, it tells the
    /// frame from all others that exist at the same time.
    fn frame_cfa(
        &self,
        pc: FileOffset,
        kind: PcKind,
        registers: &Registers,
        read: &mut dyn FnMut(Addr) -> Option<u64>,
    ) -> Option<Addr> {
        self.rule_of_frame(pc, kind)?.cfa(registers, read)
    }

    /// Whether lines of the function at an offset are known.
    fn has_lines(&self, offset: FileOffset) -> bool {
        self.function_code(offset).is_some_and(|function| function.has_lines())
    }

    /// Whether an offset is in the first instructions of a function, which set its frame up.
    fn is_in_prologue(&self, offset: FileOffset) -> bool {
        self.function_code(offset).is_some_and(|function| function.is_in_prologue(offset))
    }

    /// Whether an offset is in code that a step goes through: stubs, the dynamic linker, thunks.
    fn trampoline(&self, _offset: FileOffset) -> Option<Trampoline> {
        None
    }

    /// Where to stop after a call that leads to `target`: behind the prologue. `None` for code
    /// without lines.
    fn stop_of_call(&self, target: FileOffset) -> Option<CodePlace> {
        let function = self.function_code(target).filter(|function| function.has_lines())?;
        let in_prologue = function.is_in_prologue(target);
        let offset = if in_prologue { function.stop_at } else { target };
        let frame = self.frames_at(offset).into_iter().next();
        let source = frame.and_then(|frame| frame.source);
        Some(CodePlace {
            offset,
            function: function.name.as_deref().map(str::to_owned),
            source,
            indirect: false,
        })
    }

    /// Its types and variables; none without debug information.
    fn values(&self) -> Option<Arc<Info>> {
        None
    }

    /// Files with debug information of it that are not found.
    fn missing_files(&self) -> Vec<SplitName> {
        Vec::new()
    }

    /// The address in the file of a byte.
    fn file_addr(&self, _offset: FileOffset) -> Option<FileAddr> {
        None
    }

    /// The function symbol at a byte, with the distance from its beginning.
    fn symbol(&self, _offset: FileOffset) -> Option<String> {
        None
    }

    /// What is added to addresses of the file where `offset` is mapped at `start`.
    fn bias(&self, _start: Addr, _offset: FileOffset) -> Option<u64> {
        None
    }

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
    /// Whether this is the resolver of an indirect function, which chooses the implementation.
    pub indirect: bool,
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
