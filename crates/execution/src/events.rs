//! Which events somebody looks for.

use retake_model::{Signal, SyscallNo};

/// A kind of event of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventFilter {
    /// A system call is made: this one, or any.
    Syscall(Option<SyscallNo>),
    /// A signal takes effect: this one, or any.
    Signal(Option<Signal>),
    /// A signal ends a process.
    Fatal,
    /// A process is made. A thread is not.
    Fork,
    /// A program is executed.
    Exec,
    /// A thread ends.
    Exit,
    /// A write to standard output or error at which the last byte of a text appears. The text may be in
    /// several writes to the same of them.
    Output(Vec<u8>),
}

/// A system call and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallName {
    /// Its number.
    pub no: SyscallNo,
    /// Its name.
    pub name: &'static str,
}
