//! Types, variables and their values: from debug information to what people and programs can read.
//!
//! Principal types: [`Info`], the types, functions and variables of one module; [`Frame`] and [`At`], a place
//! on a stack, of which [`FunctionScope`] says which variables are visible; [`Value`], a type and where its
//! bytes are, with fields, elements and what it points to; [`show`], which makes a [`Shown`] of a value:
//! plain data that displays as a line of text.
//!
//! Memory is asked of a [`Space`], so this crate opens no file and reaches no process. Hostile debug
//! information and garbage in the program's memory give a [`Missing`] with its reason, or a partial
//! value: never a panic, an endless walk or memory without bound.

mod calls;
mod compile;
mod dwarf;
mod error;
mod location;
mod shape;
mod space;
mod thread_keys;
mod value;
mod variables;

pub use compile::{Compiled, CompiledInt};
pub use dwarf::{
    AliasForm, Encoding, Fields, FunctionScope, Info, Kind, Language, Member, MemberPlace,
    PointerForm, Role, StructForm, Type, TypeId, Variable, Variant, Variants,
};
pub use error::{Missing, ValueError};
pub use location::At;
pub use shape::{
    Field, Goroutine, GoroutineStatus, Key, Limits, Node, NumberFormat, SavedRegisters, Shown,
    Style, entry_of, goroutines, held_in, item_of, length_of, payload_of, show, text_of,
};
pub use space::{Frame, KnownRegisters, Space};
pub use value::{Scalar, Value};
