//! What a recording tells of the whole run, besides its moments.

use retake_model::{EventIndex, Signal};

use crate::StandardStream;

/// How the first process of a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramEnd {
    /// By `exit` with this code.
    Exited(u8),
    /// By a signal.
    Killed(Signal),
}

/// Which clock a program read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Time since 1970.
    Real,
    /// Time since some moment before the run.
    Monotonic,
}

/// A clock read that the program made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRead {
    /// The event by which the program got the time.
    pub event: EventIndex,
    /// Which clock.
    pub clock: Clock,
    /// What it said, in nanoseconds.
    pub ns: u64,
}

/// Something that the program wrote to standard output or error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The event by which it was written.
    pub event: EventIndex,
    /// Where to.
    pub stream: StandardStream,
    /// What.
    pub bytes: Vec<u8>,
}

/// An event, with the memory that it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventText {
    /// Which one.
    pub event: EventIndex,
    /// What it is, in a line: paths, bytes and names of flags as strace shows them.
    pub text: String,
}
