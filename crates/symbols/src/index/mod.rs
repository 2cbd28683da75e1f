//! Where the functions, units and source files of a module are: what has to be looked up before anything
//! is read of a unit. It is built once for a file and kept between sessions, see [`crate::IndexStore`].

mod build;
mod format;
mod kept;
mod names;
mod walk;

pub(crate) use kept::IndexSource;
pub use kept::IndexStore;
pub(crate) use names::NameTable;

use crate::names::{Asked, FunctionName};

/// A function's code, or an inlined copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// Its name in the table of names.
    pub(crate) name: u32,
    /// Its unit, as a number in [`Index::units`]; none for what only a symbol is known of.
    pub(crate) unit: Option<u32>,
    /// Entry.
    pub(crate) start: u64,
    /// End of the range that the entry is in.
    pub(crate) end: u64,
    pub(crate) inlined: bool,
}

/// A range of code that a unit says it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnitRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Where the unit is in the module's own `.debug_info`.
    pub(crate) unit: u64,
}

/// The index of one module.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    names: NameTable,
    /// By name.
    codes: Vec<Code>,
    /// Where units are in the module's own `.debug_info`; numbers count them in the order of their entries.
    pub(crate) units: Vec<u64>,
    /// Ascending.
    pub(crate) ranges: Vec<UnitRange>,
    /// Units that say nothing of where their code is, although they have some.
    pub(crate) silent: Vec<u64>,
    /// Where indirect functions begin, ascending.
    pub(crate) indirect: Vec<u64>,
    /// Hashes of the names of source files, without folders, and the units that have them; ascending.
    files: Vec<(u32, u32)>,
}

impl Index {
    /// The code of functions with a name that somebody means.
    pub(crate) fn meant_by(&self, asked: &Asked<'_>) -> Vec<(&Code, FunctionName)> {
        let names = self.names.containing(asked.word());
        let meant = names.into_iter().filter_map(|(at, name)| {
            let name = name.full()?;
            name.is_meant_by(asked).then_some((at, name))
        });
        meant
            .flat_map(|(at, name)| self.codes_of(at).map(move |code| (code, name.clone())))
            .collect()
    }

    /// The code of all functions whose readable name fits.
    pub(crate) fn matching(
        &self,
        fits: impl Fn(&str) -> bool + Sync,
    ) -> Vec<(&Code, FunctionName)> {
        let all: Vec<u32> = (0..self.names.len()).collect();
        let chunks: Vec<&[u32]> = all.chunks(4096).collect();
        let found = crate::parallel::map(&chunks, |chunk| {
            let name = |at: &u32| {
                let name = self.names.get(*at)?.full()?;
                fits(&name.readable).then_some((*at, name))
            };
            chunk.iter().filter_map(name).collect::<Vec<_>>()
        });
        let found = found.into_iter().flatten();
        found
            .flat_map(|(at, name)| self.codes_of(at).map(move |code| (code, name.clone())))
            .collect()
    }

    fn codes_of(&self, name: u32) -> impl Iterator<Item = &Code> {
        let from = self.codes.partition_point(|code| code.name < name);
        self.codes.iter().skip(from).take_while(move |code| code.name == name)
    }

    /// Where in the module's own `.debug_info` a unit is.
    pub(crate) fn unit(&self, number: u32) -> Option<usize> {
        let offset = self.units.get(usize::try_from(number).ok()?)?;
        usize::try_from(*offset).ok()
    }

    /// The units that may have a source file: some may have only one whose name has the same hash.
    pub(crate) fn units_with(&self, file: &str) -> Vec<usize> {
        let hash = file_hash(file);
        let from = self.files.partition_point(|(other, _)| *other < hash);
        let found = self.files.iter().skip(from).take_while(|(other, _)| *other == hash);
        found.filter_map(|(_, unit)| self.unit(*unit)).collect()
    }
}

/// The hash of a file's name, without folders (FNV-1a).
pub(crate) fn file_hash(path: &str) -> u32 {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.bytes()
        .fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests;
