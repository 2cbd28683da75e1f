//! Sites: places in code where an execution stops.

use std::any::Any;

use retake_model::{Addr, FileId, FileOffset, Position, Predicate, SpaceId, TaskId};

/// The caller's number for a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteId(u32);

impl SiteId {
    /// Wraps the caller's number.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The caller's number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Where a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SiteTarget {
    /// At a byte of a file, wherever that byte is mapped executable.
    Code {
        /// The file.
        file: FileId,
        /// The byte.
        offset: FileOffset,
    },
    /// At an address, in every address space that has executable memory there.
    Absolute(Addr),
}

/// A place in code, with the caller's number for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The caller's number.
    pub id: SiteId,
    /// Where it is.
    pub target: SiteTarget,
    /// Arrivals count only where this holds. One that looks at memory that is not there is taken to hold.
    pub when: Option<Predicate>,
}

impl Site {
    /// A site at which every arrival counts.
    pub const fn new(id: SiteId, target: SiteTarget) -> Self {
        Self { id, target, when: None }
    }
}

/// One occurrence of a site over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Which site. (Where several share a place, the first in the caller's order.)
    pub site: SiteId,
    /// When.
    pub position: Position,
    /// Who arrived there.
    pub task: TaskId,
    /// In which address space.
    pub space: SpaceId,
    /// At which address.
    pub pc: Addr,
}

/// What was seen at a hit: whatever the caller keeps of it.
pub type Seen = Option<Box<dyn Any + Send>>;

/// Looks at the state at a hit, on any thread.
pub type Look<'a> = dyn Fn(&Hit, &dyn crate::State) -> Seen + Sync + 'a;
