//! Inputs that nobody sane wrote, for everything that reads files.
//!
//! [`survive`] gives a [`Reader`] one changed input after the other and requires that none of them costs a panic, more
//! than [`MOST_CPU`] or more than [`MOST_BYTES`]. It does that in a process of its own: a stack that overflows and an
//! allocation that fails end a process, and the one that is left says which input it was.
//!
//! `RETAKE_HOSTILE_INPUTS` says how many inputs each reader gets, `RETAKE_HOSTILE_FIRST` the number of the first one.

mod mutate;
mod process;
mod random;

pub use mutate::{LONGEST, mutate, splice};
pub use process::survive;
pub use random::Random;

use std::time::Duration;

use peak_alloc::PeakAlloc;

/// Memory that one input may take.
pub const MOST_BYTES: usize = 64 << 20;
/// Time that one input may take, on the CPU: a busy machine does not count. A debug build takes 0.1 s at most.
pub const MOST_CPU: Duration = Duration::from_secs(5);

/// Something that reads what was written by others.
pub trait Reader {
    /// Makes the input that is read next out of a valid one.
    fn change(&mut self, random: &mut Random);

    /// Reads it with everything that there is. True: it was taken for something valid, all of it.
    fn read(&mut self) -> bool;
}

/// One test: a name, and how much it does.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Path of the test within its binary, such as `hostile::journal`.
    pub test: &'static str,
    /// Inputs, where the environment does not say how many.
    pub inputs: u64,
    /// Of how many inputs one has to be taken for valid at least: else changes do not get behind checksums.
    pub one_valid_of: u64,
    /// The test binary's allocator, which counts.
    pub allocator: &'static PeakAlloc,
}
