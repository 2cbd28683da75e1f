//! System calls and signals as data.

mod before;
mod call;
mod calls;
mod errno;
mod memory;
mod messages;
pub mod nr;
mod outputs;
mod resolve;
mod table;

pub use before::{Before, capture_before};
pub use call::{
    Arg, ArgKind, Blocks, Class, Count, FdEffect, MemoryCall, Output, SignalCall, Size, Special,
    Syscall, TaskCall, ThreadCall, When,
};
pub use errno::Errno;
pub use memory::ReadMemory;
pub use outputs::outputs;
pub use table::{all, lookup, resolve};
