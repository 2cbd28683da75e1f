//! Functions that somebody asks for: every subprogram and every inlined copy of one (DWARF 5 §3.3).

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::Regex;
use retake_model::FileAddr;

use crate::frames::SourceLocation;
use crate::index::Code;
use crate::lines::UnitLines;
use crate::module::Module;
use crate::names::{Asked, FunctionName};
use crate::parallel;

/// A function that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionPlace {
    /// Its readable name.
    pub name: String,
    /// Its entry.
    pub entry: FileAddr,
    /// Where a breakpoint on it stands: after the frame is set up.
    pub stop_at: FileAddr,
    /// The source there, if it is known.
    pub source: Option<SourceLocation>,
    /// Whether this is a copy inlined into another function.
    pub inlined: bool,
    /// Whether this is the resolver of an indirect function, which chooses the implementation.
    pub indirect: bool,
}

/// The code at an address: a function, or what is inlined there.
#[derive(Debug)]
pub(crate) struct CodeAt {
    /// Tells it from other code of the module: the entry of the function, and which of the functions inlined
    /// into it this is.
    pub(crate) key: (u64, Option<usize>),
    /// The entry of a function and where a breakpoint on it stands; not for what is inlined.
    pub(crate) stop_at: Option<(u64, u64)>,
}

impl Module {
    /// The functions that somebody means by `name`: a whole readable or linkage name, or the last
    /// parts of a path (`worker::run`), parameters and template arguments left out or not.
    pub fn find_functions(&self, name: &str) -> Vec<FunctionPlace> {
        let mut found = self.index().meant_by(&Asked::new(name));
        // `main` means the one that was written, not the C `main` in front of Rust's.
        // An indirect function is the linker's; there is only its resolver to be described.
        let counts = |code: &Code| code.unit.is_some() || self.is_indirect(code.start);
        if found.iter().any(|(code, _)| counts(code)) {
            found.retain(|(code, _)| counts(code));
        }
        self.places(&found)
    }

    /// The functions whose readable name matches.
    pub fn functions_matching(&self, pattern: &Regex) -> Vec<FunctionPlace> {
        self.places(&self.index().matching(|name| pattern.is_match(name)))
    }

    /// The readable names that match, each once. Nothing is read of their units.
    pub fn function_names(&self, pattern: &Regex) -> Vec<String> {
        let found = self.index().matching(|name| pattern.is_match(name));
        let names: BTreeSet<String> = found.into_iter().map(|(_, name)| name.readable).collect();
        names.into_iter().collect()
    }

    fn is_indirect(&self, addr: u64) -> bool {
        self.index().indirect.binary_search(&addr).is_ok()
    }

    fn places(&self, found: &[(&Code, FunctionName)]) -> Vec<FunctionPlace> {
        // Lines of many units are read at the same time.
        let units: BTreeSet<usize> =
            found.iter().filter_map(|(code, _)| self.index().unit(code.unit?)).collect();
        let units: Vec<usize> = units.into_iter().collect();
        parallel::map(&units, |unit| drop(self.units().lines(self, *unit)));
        let mut places: Vec<FunctionPlace> =
            found.iter().map(|(code, name)| self.place(code, name)).collect();
        places
            .sort_by(|a, b| (a.stop_at, a.inlined, &a.name).cmp(&(b.stop_at, b.inlined, &b.name)));
        places.dedup_by_key(|place| place.stop_at);
        places
    }

    fn place(&self, code: &Code, name: &FunctionName) -> FunctionPlace {
        let unit = code.unit.and_then(|unit| self.index().unit(unit));
        let lines: Option<Arc<UnitLines>> = unit.map(|unit| self.units().lines(self, unit));
        let stop_at = match &lines {
            Some(lines) if !code.inlined => self.stop_address(code.start, code.end, lines),
            _ => code.start,
        };
        let source = lines.and_then(|lines| lines.source_at(stop_at, (code.start, code.end)));
        FunctionPlace {
            name: name.readable.clone(),
            entry: FileAddr::new(code.start),
            stop_at: FileAddr::new(stop_at),
            source,
            inlined: code.inlined,
            indirect: code.unit.is_none() && self.is_indirect(code.start),
        }
    }

    /// The smallest function or inlined copy that an address lies in.
    pub(crate) fn code_at(&self, addr: u64) -> Option<CodeAt> {
        let code = self.function_code(FileAddr::new(addr))?;
        let offset = self.offset_of_file_addr(FileAddr::new(addr))?;
        let address = |offset| self.file_addr_of_offset(offset).map(FileAddr::get);
        let inlined = code.inlined_at(offset);
        let entry = address(code.entry)?;
        let stop_at = address(code.stop_at).filter(|_| inlined.is_none());
        Some(CodeAt { key: (entry, inlined), stop_at: stop_at.map(|stop_at| (entry, stop_at)) })
    }
}
