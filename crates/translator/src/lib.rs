//! Runs a program's code from a cache: the same instructions, with a clock and tests added.
//!
//! Principal types: [`Translator`], the cache of one address space; [`Test`], what makes a task leave it; [`Room`],
//! where it lies. The caller supplies the program's code ([`Code`]), memory that the task has mapped at
//! the room ([`CacheMemory`]), and steers the task: it sets the program counter that [`Translator::enter`]
//! gives, lets it run until it makes a call or stops, and asks [`Translator::stopped`] what it came to.
//!
//! The **clock** counts branches: every jump, taken or not, every call and every return. Code between two
//! branches is straight, so the clock and the program counter name one moment of a task.
//!
//! What it never does: it executes nothing and touches no process. It changes no vector register, no byte of the
//! program's stack, and no flag that anyone sees. Instructions that show where they lie, or whose answers a
//! recording has, are left to the caller.

mod body;
mod cache;
mod clock;
mod conditions;
mod emit;
mod hasher;
mod layout;
mod memory;
mod points;
mod predicate;
mod register;
mod relative;
mod source;
mod supply;
mod transfer;
mod unit;

pub use cache::{Entry, Statistics, Stop, Translator};
pub use conditions::{Condition, Filter, Test, Word};
pub use emit::XmmHalf;
pub use layout::{Counter, Room};
pub use memory::CacheMemory;
pub use predicate::can_be_compiled;
pub use source::{Code, Constancy};
pub use supply::{Fits, SuppliedAt, Supply};
pub use unit::Limits;
