//! What the program runs on, and what it is told of that.

use crate::cpuid::Processor;
use crate::cpuid::loader::Loaders;
use crate::told::opened::ToldFiles;
use crate::told::processors::Processors;

/// The hardware, as the program sees it.
#[derive(Debug, Default)]
pub(crate) struct Hardware {
    /// The CPU that the program is bound to.
    pub(crate) cpu: usize,
    /// Those that it is told of.
    pub(crate) processors: Processors,
    /// Files that it is told so by.
    pub(crate) told_files: ToldFiles,
    /// `cpuid` is to fault in the program.
    pub(crate) traps_cpuid: bool,
    /// What it answers then.
    pub(crate) processor: Processor,
    /// Loaders that ask for it.
    pub(crate) loaders: Loaders,
}
