//! Debug information as it is written in a file: units, entries, types, scopes.

mod attributes;
mod imports;
mod info;
mod load;
mod names;
mod outline;
mod said;
mod scopes;
mod types;

pub(crate) use attributes::{Entry, reference, text};
pub use info::Info;
pub(crate) use info::UnitInfo;
pub use scopes::{FunctionScope, Role, Variable};
pub use types::{
    AliasForm, Encoding, Fields, Kind, Language, Member, MemberPlace, PointerForm, StructForm,
    Type, TypeId, Variant, Variants,
};

/// gimli's view of a section, which keeps it alive.
pub(crate) type Bytes = retake_symbols::DwarfBytes;
