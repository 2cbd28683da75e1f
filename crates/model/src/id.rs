//! Identities. Each integer of the domain has a type of its own, so that they cannot be mixed.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name($int);

        impl $name {
            /// Wraps a raw number, as it is stored in a recording or given by the kernel.
            pub const fn new(raw: $int) -> Self {
                Self(raw)
            }

            /// The raw number.
            pub const fn get(self) -> $int {
                self.0
            }

            /// The one after this one; stays where it is at the end of the range.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIndexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self).map_err(|source| ParseIndexError {
                    what: stringify!($name),
                    text: text.to_owned(),
                    source,
                })
            }
        }
    };
}

/// A text that was to be an index and is not a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a number (a {what} was expected)")]
pub struct ParseIndexError {
    what: &'static str,
    text: String,
    source: ParseIntError,
}

index! {
    /// The kernel's number of a task. The kernel reuses these: see [`TaskId`].
    Tid(i32)
}
index! {
    /// A task, unique over the whole recording (unlike its [`Tid`]).
    TaskId(u32)
}
index! {
    /// An address space, unique over the whole recording; `execve` makes a new one.
    SpaceId(u32)
}
index! {
    /// Index of an event in a recording; also "how many events came before".
    EventIndex(u64)
}
index! {
    /// Index of a checkpoint in a recording, from 0.
    CheckpointIndex(u32)
}
index! {
    /// A mapped file whose contents the recording keeps.
    FileId(u32)
}
index! {
    /// A piece of memory that several address spaces (or several mappings) share: a shared file
    /// mapping, shared anonymous memory, memfd or a System V segment.
    SharedId(u32)
}
index! {
    /// A system call number of the x86-64 table (`asm/unistd_64.h`).
    SyscallNo(u32)
}

/// Identity of a page's contents: its 128-bit hash (XXH3). Equal contents have equal ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageId(u128);

impl PageId {
    /// Wraps a hash that was computed over the page's 4096 bytes.
    pub const fn from_hash(hash: u128) -> Self {
        Self(hash)
    }

    /// The hash.
    pub const fn hash(self) -> u128 {
        self.0
    }
}

impl fmt::Debug for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageId({:032x})", self.0)
    }
}

/// What tells the contents of a file from those of any other: a hash of 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(u128);

impl ContentHash {
    /// Wraps a hash that was computed over all of a file.
    pub const fn from_hash(hash: u128) -> Self {
        Self(hash)
    }

    /// The hash.
    pub const fn hash(self) -> u128 {
        self.0
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl EventIndex {
    /// The start of every recording.
    pub const ZERO: Self = Self(0);

    /// The event before this one, if there is one.
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }
}
