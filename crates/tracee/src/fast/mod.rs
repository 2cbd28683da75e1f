//! Code that makes short system calls without a stop and writes down what came of them.
//!
//! It stands at a fixed address in every recorded program. A call site is led to it by a jump to a stub
//! ([`stub`]), which names itself in `rcx`: `syscall` overwrites that register and `r11` anyway. Calls
//! that are not for it go back to the stub, which makes them where they are traced.
//!
//! A call that reads or writes a descriptor is for it if its owner says so in a table ([`FD_KINDS`]). One that may
//! wait for others is made if `poll` says that it would not. A file that is opened to be read is looked at by the code
//! itself.
//!
//! The code and its buffer are part of the program: replay runs the same code and fills the same buffer.
//! The recorder only reads the buffer. Its cursor goes back to the start when it has come near the end, and the
//! call that finds it there is a traced one.

mod back;
mod code;
mod entry;
mod extras;
mod fds;
mod jumps;
mod layout;
mod questions;
mod rows;
#[cfg(test)]
mod tests;

pub use back::call_site;
pub use code::{FastCode, WOULD_NOT_WAIT};
pub use entry::{Data, Entry};
pub use fds::FdKind;
pub use jumps::{STUB_LEN, jump, short_jump, stub};
pub use layout::{
    BUFFER_LEN, CODE, CODE_LEN, CURSOR, ENTRIES_END, FD_COUNT, FD_KINDS, FIRST_ENTRY,
    PLAIN_DEVICE_COUNT, PLAIN_DEVICES, is_buffer,
};
pub use rows::{may_be_fast, needs_descriptor};
