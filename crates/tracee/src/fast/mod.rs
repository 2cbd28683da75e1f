//! Code that makes short system calls without a stop and writes down what came of them.
//!
//! It stands at a fixed address in every recorded program. A call site is led to it by a jump to a stub
//! ([`stub`]), which names itself in `rcx`: `syscall` overwrites that register and `r11` anyway. Calls
//! that are not for it go back to the stub, which makes them where they are traced.
//!
//! The code and its buffer are part of the program: replay runs the same code and fills the same buffer,
//! with a stop for each call. The recorder only reads the buffer. Its cursor goes back to the start when
//! it has come to the end, and the call that finds it there is a traced one.

mod back;
mod code;
mod entry;
mod jumps;

pub use back::call_site;
pub use code::{BUFFER_LEN, CODE, CURSOR, ENTRIES_END, FIRST_ENTRY, FastCode, Kind, kind_of};
pub use entry::Entry;
pub use jumps::{STUB_LEN, jump, short_jump, stub};
