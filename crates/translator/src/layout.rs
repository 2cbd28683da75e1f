//! Where things lie in the room that translated code has.
//!
//! The room lies below 2 GiB, so that an absolute address of 32 bits reaches all of it without a
//! register (Intel SDM vol. 2, 2.2.1.3: displacements are sign-extended).

use retake_model::{Addr, AddrRange};

use crate::register::Gpr;

/// Saved registers and the clock: the only part that translated code writes.
const SLOTS: u32 = 0;
/// Where an indirect transfer that is not known yet leads to.
const TARGET: u32 = 0x80;
/// The next call whose answer is supplied, as an address.
const SUPPLY_NEXT: u32 = 0x88;
/// Whether calls are supplied.
const SUPPLY_READY: u32 = 0x90;
/// Which indirect branch was executed last, as a number.
const BRANCH: u32 = 0xa0;
const CLOCK: u32 = 0x100;
/// Words over which the clock is spread: one word would be a chain of stores and loads.
const CLOCK_WORDS: u32 = 16;
/// Counters of tests.
const COUNTERS: u32 = 0x200;
/// Values that a test puts aside.
const TEMPORARIES: u32 = 0x400;
/// The flags while a test is made.
const FLAGS: u32 = 0x480;
/// The task that runs.
const TASK: u32 = 0x488;
const TABLE: u32 = 0x1000;
/// Entries of the table of indirect transfers: one for each value of 16 bits.
pub(crate) const TABLE_ENTRIES: u32 = 1 << 16;
const SUPPLY: u32 = TABLE + TABLE_ENTRIES * 8;
/// Bytes for supplied calls.
pub(crate) const SUPPLY_LEN: u32 = 128 << 10;
const CONSTANTS: u32 = SUPPLY + SUPPLY_LEN;

/// One of the counters that tests count down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counter(u8);

impl Counter {
    /// How many there are.
    pub const MOST: u8 = 64;

    /// The counter of a number, if there is one.
    pub const fn new(number: u8) -> Option<Self> {
        if number < Self::MOST { Some(Self(number)) } else { None }
    }
}

/// A range of memory below 2 GiB that is the translator's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    base: u32,
    len: u32,
}

impl Room {
    /// Where recordings leave room: above what programs at fixed addresses take, below what `MAP_32BIT`
    /// gives out (mmap(2): the second GiB).
    pub const PREFERRED: Self = Self { base: 0x3800_0000, len: 64 << 20 };
    /// The smallest room that serves.
    pub const LEAST: u32 = 1 << 20;

    /// A room at `range`. None if that does not lie below 2 GiB, or is too small.
    pub fn at(range: AddrRange) -> Option<Self> {
        let end = i32::try_from(range.end().get()).ok()?;
        let base = u32::try_from(range.start().get()).ok()?;
        let len = u32::try_from(end).ok()? - base;
        (len >= Self::LEAST && base.is_multiple_of(4096)).then_some(Self { base, len })
    }

    /// All of it.
    pub fn range(self) -> AddrRange {
        AddrRange::low(self.base, self.len)
    }

    /// The part that translated code writes to: readable and writable. The rest is readable and
    /// executable.
    pub fn written(self) -> AddrRange {
        AddrRange::low(self.base, TABLE)
    }

    /// Offset of an address in the room.
    pub(crate) fn offset(self, addr: Addr) -> Option<u32> {
        let offset = u32::try_from(addr.get()).ok()?.checked_sub(self.base)?;
        (offset < self.len).then_some(offset)
    }

    pub(crate) fn addr(self, offset: u32) -> u32 {
        self.base + offset
    }

    pub(crate) fn slot(self, register: Gpr) -> u32 {
        self.base + SLOTS + u32::from(register.number()) * 8
    }

    pub(crate) fn target_slot(self) -> u32 {
        self.base + TARGET
    }

    pub(crate) fn branch_slot(self) -> u32 {
        self.base + BRANCH
    }

    pub(crate) fn clock_word(self, n: u32) -> u32 {
        self.base + CLOCK + n % CLOCK_WORDS * 8
    }

    pub(crate) fn clock_words(self) -> impl Iterator<Item = u32> {
        (0..CLOCK_WORDS).map(move |n| self.clock_word(n))
    }

    pub(crate) fn counter(self, counter: Counter) -> u32 {
        self.base + COUNTERS + u32::from(counter.0) * 8
    }

    pub(crate) fn temporary(self, n: u8) -> u32 {
        self.base + TEMPORARIES + u32::from(n) * 8
    }

    pub(crate) fn flags(self) -> u32 {
        self.base + FLAGS
    }

    pub(crate) fn task(self) -> u32 {
        self.base + TASK
    }

    pub(crate) fn table(self) -> u32 {
        self.base + TABLE
    }

    /// The word that says which supplied call is the next.
    pub(crate) fn supply_next(self) -> u32 {
        self.base + SUPPLY_NEXT
    }

    /// The word that is not zero while calls are supplied.
    pub(crate) fn supply_ready(self) -> u32 {
        self.base + SUPPLY_READY
    }

    /// Where supplied calls lie.
    pub(crate) fn supply(self) -> u32 {
        self.base + SUPPLY
    }

    pub(crate) fn constants(self) -> std::ops::Range<u32> {
        CONSTANTS..CONSTANTS + (self.len - CONSTANTS) / 16 / 8 * 8
    }

    pub(crate) fn code(self) -> std::ops::Range<u32> {
        self.constants().end.next_multiple_of(4096)..self.len
    }
}

/// What translated code leaves in memory for the tracer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    bytes: [u8; Left::LEN],
}

impl Left {
    pub(crate) const LEN: usize = (CLOCK + CLOCK_WORDS * 8) as usize;

    pub(crate) fn new(bytes: [u8; Self::LEN]) -> Self {
        Self { bytes }
    }

    fn word(&self, offset: u32) -> u64 {
        let at = offset as usize;
        let bytes = self.bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    }

    pub(crate) fn register(&self, register: Gpr) -> u64 {
        self.word(SLOTS + u32::from(register.number()) * 8)
    }

    pub(crate) fn branch(&self) -> u64 {
        self.word(BRANCH)
    }

    pub(crate) fn supply_next(&self) -> u64 {
        self.word(SUPPLY_NEXT)
    }

    pub(crate) fn target(&self) -> u64 {
        self.word(TARGET)
    }

    /// Where the clock is, and a clock at zero.
    pub(crate) fn zero_clock() -> (u32, [u8; CLOCK_WORDS as usize * 8]) {
        (CLOCK, [0; CLOCK_WORDS as usize * 8])
    }

    /// Offset and value of the clock's first word.
    pub(crate) fn first_clock_word(&self) -> (u32, u64) {
        (CLOCK, self.word(CLOCK))
    }

    /// The sum of the clock's words.
    pub(crate) fn clock(&self) -> u64 {
        (0..CLOCK_WORDS).fold(0, |sum, n| sum.wrapping_add(self.word(CLOCK + n * 8)))
    }
}
