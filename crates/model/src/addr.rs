//! Addresses and ranges. Arithmetic is checked or absent.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes in a page. x86-64 Linux has 4 KiB base pages; huge pages are seen as runs of them.
pub const PAGE_SIZE: u64 = 4096;

/// The same, for sizes of buffers.
pub const PAGE_LEN: usize = 4096;

/// An address in the memory of a recorded task, as the program sees it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Addr(u64);

impl Addr {
    /// The null address.
    pub const NULL: Self = Self(0);

    /// Wraps a raw address.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The raw address.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this is address 0.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// `self + bytes`, unless that leaves the address space.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// `self - bytes`, unless that leaves the address space.
    pub const fn checked_sub(self, bytes: u64) -> Option<Self> {
        match self.0.checked_sub(bytes) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// How many bytes `self` lies above `other`, unless it lies below.
    pub const fn offset_from(self, other: Self) -> Option<u64> {
        self.0.checked_sub(other.0)
    }

    /// The page this address lies in.
    pub const fn page(self) -> PageAddr {
        PageAddr(self.0 & !(PAGE_SIZE - 1))
    }

    /// Whether this is the first byte of a page.
    pub const fn is_page_aligned(self) -> bool {
        self.0.is_multiple_of(PAGE_SIZE)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Addr({:#x})", self.0)
    }
}

impl fmt::LowerHex for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}

/// The first address of a page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Addr", into = "Addr")]
pub struct PageAddr(u64);

/// What was read as a [`PageAddr`] or an [`AddrRange`] and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddr {
    /// It lies within a page.
    #[error("{0} is not the first address of a page")]
    Page(Addr),
    /// It ends before it starts.
    #[error("a range from {0} cannot end at {1}")]
    Range(Addr, Addr),
}

impl TryFrom<Addr> for PageAddr {
    type Error = InvalidAddr;

    fn try_from(addr: Addr) -> Result<Self, InvalidAddr> {
        if addr.is_page_aligned() { Ok(addr.page()) } else { Err(InvalidAddr::Page(addr)) }
    }
}

impl From<PageAddr> for Addr {
    fn from(page: PageAddr) -> Self {
        page.addr()
    }
}

impl PageAddr {
    /// The address of the page's first byte.
    pub const fn addr(self) -> Addr {
        Addr(self.0)
    }

    /// The page after this one, unless this is the last.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(PAGE_SIZE) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// The bytes of this page.
    pub const fn range(self) -> AddrRange {
        AddrRange { start: Addr(self.0), end: Addr(self.0.saturating_add(PAGE_SIZE)) }
    }
}

impl fmt::Debug for PageAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageAddr({:#x})", self.0)
    }
}

impl fmt::Display for PageAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A half-open range of addresses: `start <= x < end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Ends")]
pub struct AddrRange {
    start: Addr,
    end: Addr,
}

/// A range as it was read.
#[derive(Deserialize)]
struct Ends {
    start: Addr,
    end: Addr,
}

impl TryFrom<Ends> for AddrRange {
    type Error = InvalidAddr;

    fn try_from(Ends { start, end }: Ends) -> Result<Self, InvalidAddr> {
        Self::new(start, end).ok_or(InvalidAddr::Range(start, end))
    }
}

impl AddrRange {
    /// A range; `None` if `end` lies before `start`.
    pub const fn new(start: Addr, end: Addr) -> Option<Self> {
        if start.0 <= end.0 { Some(Self { start, end }) } else { None }
    }

    /// `len` bytes from `start`, which lie below 8 GiB.
    pub const fn low(start: u32, len: u32) -> Self {
        let from = start as u64;
        Self { start: Addr(from), end: Addr(from + len as u64) }
    }

    /// `len` bytes from `start`; `None` if that leaves the address space.
    pub const fn with_len(start: Addr, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// First address.
    pub const fn start(self) -> Addr {
        self.start
    }

    /// First address after the range.
    pub const fn end(self) -> Addr {
        self.end
    }

    /// Bytes in the range. (A range is never "empty or not" by accident: see [`Self::is_empty`].)
    pub const fn len(self) -> u64 {
        self.end.0 - self.start.0
    }

    /// Whether there is no address in it.
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }

    /// Whether `addr` lies in it.
    pub const fn contains(self, addr: Addr) -> bool {
        self.start.0 <= addr.0 && addr.0 < self.end.0
    }

    /// Whether all of `other` lies in it.
    pub const fn contains_range(self, other: Self) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }

    /// Whether they share an address.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start.0 < other.end.0 && other.start.0 < self.end.0
    }

    /// The addresses in both, if there are any.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end);
        (start < end).then_some(Self { start, end })
    }

    /// The smallest range of whole pages around this one.
    #[must_use]
    pub const fn to_pages(self) -> Self {
        let start = self.start.0 & !(PAGE_SIZE - 1);
        let end = match self.end.0.checked_add(PAGE_SIZE - 1) {
            Some(end) => end & !(PAGE_SIZE - 1),
            None => !(PAGE_SIZE - 1),
        };
        Self { start: Addr(start), end: Addr(end) }
    }

    /// Every page that the range touches.
    pub fn pages(self) -> impl Iterator<Item = PageAddr> {
        let whole = self.to_pages();
        let count = if self.is_empty() { 0 } else { whole.len() / PAGE_SIZE };
        let first = whole.start.0;
        (0..count).map(move |n| PageAddr(first + n * PAGE_SIZE))
    }
}

impl fmt::Display for AddrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x}", self.start.0, self.end.0)
    }
}

impl fmt::Debug for AddrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddrRange({self})")
    }
}

/// An address as it is written in an ELF or DWARF file, before the file is loaded anywhere.
/// Only a module, which knows its load bias, converts between this and [`Addr`].
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileAddr(u64);

impl FileAddr {
    /// Wraps an address read from a file.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The raw address.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FileAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for FileAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileAddr({:#x})", self.0)
    }
}

/// A distance in bytes from the start of a file.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileOffset(u64);

impl FileOffset {
    /// Wraps an offset in bytes.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The offset in bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `self + bytes`, unless that overflows.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }
}

impl fmt::Display for FileOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for FileOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileOffset({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests;
