//! What is known of a descriptor.

/// How calls on a descriptor can be made without a stop. As a byte in the table of the program's memory: zero
/// is a descriptor of which nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FdKind(u8);

impl FdKind {
    /// Nothing is known: calls on it are traced.
    pub const UNKNOWN: Self = Self(0);
    /// It can be read.
    pub const READ: Self = Self(0x01);
    /// It can be written to: that changes no memory of the program.
    pub const WRITE: Self = Self(0x02);
    /// A read or write of it may wait: the code asks first whether it would.
    pub const MAY_WAIT: Self = Self(0x04);
    /// It is the program's standard output.
    pub const STDOUT: Self = Self(0x08);
    /// It is the program's standard error.
    pub const STDERR: Self = Self(0x10);

    /// It is an end of a pipe with 16 pages or more.
    pub const PIPE: Self = Self(0x20);

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// As it stands in the table.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// From an entry.
    pub(super) const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }
}
