//! Units whose entries lie in a file of their own (`.dwo`), or in one package of such files (`.dwp`): DWARF 5
//! §7.3.2, and the GNU form of it for DWARF 4. What is left of them in the module is a skeleton, which has the
//! lines and the addresses. Besides: the file with what several modules share, which `dwz` makes (DWARF 5 §7.3.6, and
//! the GNU form of it).

mod file;
mod found;
mod numbers;
mod skeletons;
mod supplement;
mod units;

use std::fmt;

use crate::bytes::SharedBytes;

pub(crate) use file::headers;
pub use numbers::References;
pub(crate) use skeletons::Skeletons;
pub use supplement::SharedName;
pub(crate) use supplement::{load as load_supplement, named as supplement_named};
pub(crate) use units::dwarf_of_module;
pub use units::{DebugUnits, Held, WholeUnit};

/// What a skeleton says of the file that has the rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SplitName {
    /// The path, as the compiler wrote it.
    pub path: Vec<u8>,
    /// The folder that the path begins in, if it is not a whole one.
    pub folder: Vec<u8>,
    /// Tells the unit from all others, those of other builds among them.
    pub id: u64,
}

impl fmt::Display for SplitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.path))
    }
}

/// Whether bytes were what somebody was looking for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// They were.
    Yes,
    /// They were not: the next file may be it.
    No,
}

/// Where the files that were split off are found: beside the program, as a rule. They are asked for when
/// something in them is asked for.
pub trait SplitFiles: fmt::Debug + Send + Sync {
    /// Offers packages of all units of the module to `take`, until one is taken.
    fn packages(&self, take: &mut dyn FnMut(SharedBytes) -> Taken);

    /// Offers files that may have a unit to `take`, until one is taken.
    fn files(&self, name: &SplitName, take: &mut dyn FnMut(SharedBytes) -> Taken);

    /// Offers files that may be the one that a module shares with others to `take`, until one is taken.
    fn shared(&self, name: &SharedName, take: &mut dyn FnMut(SharedBytes) -> Taken);
}
