//! `thread_local!` of Rust. The variable that the macro makes has a name of its own, inside of what the person named;
//! a value that is not a constant, or has to be dropped, lies in a storage that says whether it is there.

use gimli::constants;

use crate::Missing;
use crate::dwarf::{Entry, Info, Language, UnitInfo, text};
use crate::shape::{plain_path, walk};
use crate::space::Space;
use crate::value::Value;

/// The name that the macro gives (library/std/src/sys/thread_local/native/mod.rs). Of each key there are two: for
/// values that have to be dropped and for others; the linker takes the one that is used.
pub(crate) const VARIABLE: &str = "__RUST_STD_INTERNAL_VAL";

/// Why that which the linker has not taken has no value.
pub(crate) const LEFT_OUT: Missing = Missing::OptimizedOut("the linker has left it out");

/// How a storage says that nobody has used its value yet, and that it is in use; other numbers say that it was dropped.
const UNUSED: u64 = 0;
const ALIVE: u64 = 1;

/// Storages (library/std/src/sys/thread_local/native/): of a value that is made when it is first used, and of one that
/// is there from the beginning.
const LAZY: &str = "std::sys::thread_local::native::lazy::Storage";
const EAGER: &str = "std::sys::thread_local::native::eager::Storage";

/// Leaves what the person typed of the path of a key: `program::KEY::{constant#0}::{closure#0}::VARIABLE`.
pub(crate) fn cut(path: &mut Vec<String>) {
    path.pop();
    while path.len() > 1 && path.last().is_some_and(|last| last.starts_with('{')) {
        path.pop();
    }
}

/// Whether an entry is the variable of a key.
pub(crate) fn is_key(unit: &UnitInfo, entry: &Entry<'_, '_>) -> bool {
    unit.language == Language::Rust
        && text(unit, entry, constants::DW_AT_name).is_some_and(|name| name == VARIABLE)
}

/// Whether the linker has not taken it. Its place is said to be the first one then, where another key is.
pub(crate) fn is_left_out(unit: &UnitInfo, entry: &Entry<'_, '_>, info: &Info) -> bool {
    let linkage = text(unit, entry, constants::DW_AT_linkage_name);
    linkage.and_then(|name| info.module().has_thread_local(&name)) == Some(false)
}

/// What is kept by the storage of a key; the value itself if there is none around it.
pub(crate) fn kept_by(value: Value, space: &dyn Space) -> Value {
    let path = plain_path(&value);
    let (inner, is_lazy) = match path.as_str() {
        // What may not be there yet is kept in a union.
        LAZY => ("value.value.value.value", true),
        EAGER => ("val.value", false),
        _ => return value,
    };
    let state = walk(&value, "state.value.value", space).and_then(|state| {
        // An enumeration with or without values in its variants: its number comes first.
        let tag = state.stored.read(0, state.size()?.min(8), space).ok()?;
        let mut wide = [0; 8];
        wide.get_mut(..tag.len())?.copy_from_slice(&tag);
        Some(u64::from_le_bytes(wide))
    });
    let missing = |why: &str| {
        Value::missing(value.info().clone(), value.type_id(), Missing::Unclear(why.to_owned()))
    };
    match state {
        None => missing("the state of the thread's value"),
        Some(UNUSED) if is_lazy => missing("the thread has not used it yet"),
        Some(UNUSED | ALIVE) => {
            let kept = walk(&value, inner, space);
            kept.unwrap_or_else(|| missing("where the storage keeps its value"))
        }
        Some(_) => missing("the thread has dropped it"),
    }
}
