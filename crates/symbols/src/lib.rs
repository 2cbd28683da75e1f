//! ELF and DWARF: functions, lines, inlined code, and unwinding of stacks.
//!
//! Principal types: [`Module`], one file of code, which knows where functions and lines are and what
//! runs at an address; [`FunctionCode`], a function with the places where its source lines begin;
//! [`FrameRule`], where the caller's frame is; [`Unwinder`], which walks the stack of a task over the
//! modules it has loaded.
//!
//! Bytes are fed in: this crate opens no file and reaches no process. Hostile bytes give an error or
//! no answer, never a panic.
//!
//! What a module has is looked up in an index, which is made by going through all of its debug
//! information once. An [`IndexStore`] keeps it for the next session. The rest is read unit by unit.
//! Units whose entries lie in other files ([`SplitFiles`]) are known by where they are in the module's own.

mod addresses;
mod bytes;
mod caller;
mod debug_file;
mod demangle;
mod elf;
mod entry_code;
mod error;
mod expression;
mod frame_guess;
mod frame_rule;
mod frame_table;
mod frames;
mod function_code;
mod functions;
mod generic_types;
mod index;
mod instance;
mod lines;
mod module;
mod names;
mod naming;
mod objects;
mod parallel;
mod peek;
mod plt;
mod prologue;
mod ranges;
mod sections;
mod split;
mod statements;
mod symtab;
mod thread_locals;
mod unit_code;
mod units;
mod unwind;

pub use addresses::LoadedModule;
pub use bytes::SharedBytes;
pub use caller::{CallerFrame, PcKind};
pub use demangle::demangle;
pub use elf::{DebugLink, ThreadLocals};
pub use error::ModuleError;
pub use expression::FrameExpression;
pub use frame_rule::{Cfa, FrameKind, FrameRule, RuleSource, Saved};
pub use frames::{CodeFrame, SourceLocation};
pub use function_code::{FunctionCode, InlinedCode, Statement};
pub use functions::FunctionPlace;
pub use index::IndexStore;
pub use lines::LinePlace;
pub use module::Module;
pub use names::is_meant;
pub use peek::{Peeked, peek};
pub use plt::Trampoline;
pub use ranges::{die_ranges, unit_ranges};
pub use sections::{DebugSections, DwarfBytes};
pub use split::{
    DebugUnits, Held, References, SharedName, SplitFiles, SplitName, Taken, WholeUnit,
};
pub use thread_locals::ThreadLocalWord;
pub use unwind::{Unwinder, UnwoundFrame};
