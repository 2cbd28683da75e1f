//! Mappings: one range of an address space and what is behind it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Addr, AddrRange, FileId, FileOffset, SharedId};

/// What a task may do with the bytes of a mapping (`PROT_*` of mmap(2)).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Protection(u8);

impl Protection {
    /// No access.
    pub const NONE: Self = Self(0);
    /// `PROT_READ`.
    pub const READ: Self = Self(1);
    /// `PROT_WRITE`.
    pub const WRITE: Self = Self(2);
    /// `PROT_EXEC`.
    pub const EXEC: Self = Self(4);

    /// The access bits of a `PROT_*` argument; other bits (growth hints, keys) are dropped.
    pub const fn from_bits(prot: u64) -> Self {
        Self((prot & 7) as u8)
    }

    /// The `PROT_*` bits.
    pub const fn bits(self) -> u64 {
        self.0 as u64
    }

    /// Both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All but what `other` allows.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every access in `other` is allowed.
    pub const fn allows(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bit = |bit: Self, letter| if self.allows(bit) { letter } else { '-' };
        write!(f, "{}{}{}", bit(Self::READ, 'r'), bit(Self::WRITE, 'w'), bit(Self::EXEC, 'x'))
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protection({self})")
    }
}

/// Where the bytes of a mapping come from until the program writes to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backing {
    /// Private anonymous memory: zeroes.
    Anonymous,
    /// A private mapping of a file whose contents the recording keeps.
    File {
        /// The kept file.
        file: FileId,
        /// File offset of the mapping's first byte.
        offset: FileOffset,
    },
    /// Memory shared with other mappings; its contents are kept with the shared object.
    Shared {
        /// The shared object.
        shared: SharedId,
        /// Offset of the mapping's first byte in it.
        offset: FileOffset,
    },
    /// A private mapping of a shared object: shows what the object holds, also what is written to it
    /// later, but for the pages that were written through this mapping.
    Private {
        /// The shared object.
        shared: SharedId,
        /// Offset of the mapping's first byte in it.
        offset: FileOffset,
    },
    /// Something whose contents the recording could not keep (a device, a file that nobody may open):
    /// the bytes were copied out of the program's memory, and every checkpoint has all of its pages.
    Copied,
}

impl Backing {
    /// Whether pages that no checkpoint lists are zeroes: the replayed memory is anonymous.
    pub const fn starts_as_zeroes(self) -> bool {
        matches!(self, Self::Anonymous | Self::Copied)
    }

    /// The shared object behind it, and the offset in it.
    pub const fn shared_object(self) -> Option<(SharedId, FileOffset)> {
        match self {
            Self::Shared { shared, offset } | Self::Private { shared, offset } => {
                Some((shared, offset))
            }
            Self::Anonymous | Self::Copied | Self::File { .. } => None,
        }
    }
}

/// One range of an address space, with one protection and one backing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The addresses, whole pages.
    pub range: AddrRange,
    /// Current protection.
    pub prot: Protection,
    /// What is behind it.
    pub backing: Backing,
    /// Grows downwards on access below it (the main stack, `MAP_GROWSDOWN`).
    pub grows_down: bool,
}

impl Mapping {
    /// The part of this mapping that lies in `range`, with its offset adjusted.
    #[must_use]
    pub fn clip(&self, range: AddrRange) -> Option<Self> {
        let range = self.range.intersection(range)?;
        Some(Self { range, backing: self.backing_at(range.start())?, ..self.clone() })
    }

    /// The backing as seen from `addr`, which lies in the mapping.
    pub fn backing_at(&self, addr: Addr) -> Option<Backing> {
        let skip = addr.offset_from(self.range.start())?;
        Some(match self.backing {
            same @ (Backing::Anonymous | Backing::Copied) => same,
            Backing::File { file, offset } => {
                Backing::File { file, offset: offset.checked_add(skip)? }
            }
            Backing::Shared { shared, offset } => {
                Backing::Shared { shared, offset: offset.checked_add(skip)? }
            }
            Backing::Private { shared, offset } => {
                Backing::Private { shared, offset: offset.checked_add(skip)? }
            }
        })
    }
}
