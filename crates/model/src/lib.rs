//! The words of the domain: identities, addresses, ranges, registers, signals and positions.
//!
//! Principal types: [`TaskId`], [`Addr`], [`AddrRange`], [`Registers`], [`VectorState`],
//! [`Signal`], [`EventIndex`], [`Position`], [`Predicate`].
//!
//! This crate does no I/O, knows no ptrace, and has no clock. It refuses to convert silently
//! between kinds of integers: every constructor has a name, address arithmetic is checked, and
//! nobody outside this crate builds or compares the inside of a [`Position`].

mod addr;
mod id;
mod mapping;
mod position;
mod predicate;
mod registers;
mod signal;
mod vector;

pub use addr::{Addr, AddrRange, FileAddr, FileOffset, PAGE_LEN, PAGE_SIZE, PageAddr};
pub use id::{
    CheckpointIndex, ContentHash, EventIndex, FileId, PageId, ParseIndexError, SharedId, SpaceId,
    SyscallNo, TaskId, Tid,
};
pub use mapping::{Backing, Mapping, Protection};
pub use position::{Arrival, Exact, ParsePositionError, Place, Position};
pub use predicate::{Arithmetic, Comparison, Judged, Predicate, Term, Width};
pub use registers::{RegisterDifference, RegisterName, Registers};
pub use signal::{SigInfo, Signal, UnknownSignal};
pub use vector::VectorState;
