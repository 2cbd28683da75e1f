//! ELF and DWARF: functions, lines, inlined code, and unwinding of stacks.
//!
//! Principal types: [`Module`], one file of code, which knows where functions and lines are and what
//! runs at an address; [`Unwinder`], which walks the stack of a task over the modules it has loaded.
//!
//! Bytes are fed in: this crate opens no file and reaches no process. Hostile bytes give an error or
//! no answer, never a panic.

mod addresses;
mod bytes;
mod demangle;
mod elf;
mod error;
mod frames;
mod functions;
mod lines;
mod module;
mod names;
mod prologue;
mod sections;
mod symtab;
mod unwind;

pub use addresses::LoadedModule;
pub use bytes::SharedBytes;
pub use demangle::demangle;
pub use elf::DebugLink;
pub use error::ModuleError;
pub use frames::{CodeFrame, SourceLocation};
pub use functions::FunctionPlace;
pub use lines::LinePlace;
pub use module::Module;
pub use unwind::{Unwinder, UnwoundFrame};
