//! The reader of ELF files with DWARF.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use regex::Regex;
use retake_model::{Addr, FileAddr, FileOffset, Registers};
use retake_symbols::{FunctionPlace, Module, SharedBytes, SplitName, Unwinder};
use retake_values::Info;

use super::cache::Cache;
use super::files::{Shelf, with_files};
use super::{
    CodeFile, CodeFrame, CodeModule, CodePlace, CodeReader, FrameRule, FunctionCode, Loaded,
    PcKind, RawFrame, SourceLine, Trampoline,
};

/// Reads ELF files.
#[derive(Clone, Debug)]
pub(super) struct DwarfReader {
    cache: Option<Arc<Cache>>,
}

impl DwarfReader {
    /// One that keeps what it finds out in a folder.
    pub(super) fn new(cache: Option<PathBuf>) -> Self {
        Self { cache: cache.map(|folder| Arc::new(Cache::new(folder))) }
    }
}

#[derive(Debug)]
struct DwarfModule {
    module: Arc<Module>,
    info: OnceLock<Option<Arc<Info>>>,
}

impl CodeReader for DwarfReader {
    fn parse(&self, file: CodeFile) -> Result<Box<dyn CodeModule>, String> {
        let module = Module::parse(SharedBytes::from_arc(file.bytes));
        let module = module.map_err(|err| err.to_string())?;
        let module = with_files(module, &file.path, &Shelf::new(file.kept));
        let module = match &self.cache {
            Some(cache) => module.with_index_store(Arc::clone(cache) as _, file.hash),
            None => module,
        };
        Ok(Box::new(DwarfModule { module: Arc::new(module), info: OnceLock::new() }))
    }

    fn unwind(
        &self,
        loaded: &[Loaded<'_>],
        registers: &Registers,
        read: &mut dyn FnMut(Addr) -> Option<u64>,
        max: usize,
    ) -> Vec<RawFrame> {
        let mut unwinder = Unwinder::new();
        for part in loaded {
            let module = part.module.as_any().downcast_ref::<DwarfModule>();
            let Some(DwarfModule { module, .. }) = module else { continue };
            if let Some(bias) = module.load_bias(part.range.start(), part.offset) {
                unwinder.add_module(module, part.range, bias);
            }
        }
        let frames = unwinder.unwind(registers, read, max);
        let frame = |frame: retake_symbols::UnwoundFrame| RawFrame {
            pc: frame.pc,
            lookup: frame.lookup,
            sp: frame.sp,
        };
        frames.into_iter().map(frame).collect()
    }
}

impl DwarfModule {
    fn places(&self, functions: Vec<FunctionPlace>) -> Vec<CodePlace> {
        let place = |function: FunctionPlace| {
            let offset = self.module.offset_of_file_addr(function.stop_at)?;
            let source = function.source.map(|at| SourceLine { file: at.file, line: at.line });
            let indirect = function.indirect;
            Some(CodePlace { offset, function: Some(function.name), source, indirect })
        };
        functions.into_iter().filter_map(place).collect()
    }
}

impl CodeModule for DwarfModule {
    fn find_functions(&self, name: &str) -> Vec<CodePlace> {
        self.places(self.module.find_functions(name))
    }

    fn functions_matching(&self, pattern: &Regex) -> Vec<CodePlace> {
        self.places(self.module.functions_matching(pattern))
    }

    fn function_names(&self, pattern: &Regex) -> Vec<String> {
        self.module.function_names(pattern)
    }

    fn source_files(&self) -> Vec<String> {
        self.module.source_files()
    }

    fn find_line(&self, file: &str, line: u32) -> Vec<CodePlace> {
        let place = |place: retake_symbols::LinePlace| {
            let frames = self.module.frames_at(place.addr);
            Some(CodePlace {
                offset: self.module.offset_of_file_addr(place.addr)?,
                function: frames.into_iter().next().and_then(|frame| frame.function),
                source: Some(SourceLine { file: place.file, line: place.line }),
                indirect: false,
            })
        };
        self.module.find_line(file, line).into_iter().filter_map(place).collect()
    }

    fn frames_at(&self, offset: FileOffset) -> Vec<CodeFrame> {
        let Some(addr) = self.module.file_addr_of_offset(offset) else { return Vec::new() };
        let frame = |frame: retake_symbols::CodeFrame| CodeFrame {
            function: frame.function,
            source: frame.location.map(|at| SourceLine { file: at.file, line: at.line }),
        };
        self.module.frames_at(addr).into_iter().map(frame).collect()
    }

    fn function_code(&self, offset: FileOffset) -> Option<Arc<FunctionCode>> {
        self.module.function_code(self.module.file_addr_of_offset(offset)?)
    }

    fn frame_rule(&self, offset: FileOffset) -> Option<FrameRule> {
        self.module.frame_rule(self.module.file_addr_of_offset(offset)?)
    }

    fn rule_of_frame(&self, pc: FileOffset, kind: PcKind) -> Option<FrameRule> {
        self.module.rule_of_frame(self.module.file_addr_of_offset(pc)?, kind)
    }

    fn trampoline(&self, offset: FileOffset) -> Option<Trampoline> {
        self.module.trampoline(self.module.file_addr_of_offset(offset)?)
    }

    fn values(&self) -> Option<Arc<Info>> {
        self.info.get_or_init(|| Info::of(&self.module)).clone()
    }

    fn missing_files(&self) -> Vec<SplitName> {
        self.module.missing_files()
    }

    fn file_addr(&self, offset: FileOffset) -> Option<FileAddr> {
        self.module.file_addr_of_offset(offset)
    }

    fn symbol(&self, offset: FileOffset) -> Option<String> {
        self.module.symbol_at(self.module.file_addr_of_offset(offset)?)
    }

    fn bias(&self, start: Addr, offset: FileOffset) -> Option<u64> {
        self.module.load_bias(start, offset)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
