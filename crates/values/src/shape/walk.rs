//! Paths through values: how the table says where a part of a library's type is.
//!
//! `a.b` is the field `b` of the field `a`; `..a` the first field `a` in any depth, followed as long as it is
//! a structure with such a field itself; `*` what a pointer points to; `a|b` one that exists.

use retake_model::Addr;

use crate::dwarf::{Kind, TypeId};
use crate::space::Space;
use crate::value::{Scalar, Value};

/// Structures inside each other that are searched.
const MAX_DEPTH: usize = 12;
/// Fields that are looked at in one search.
const MAX_FIELDS: usize = 512;

/// The part of a value at a path.
pub(crate) fn walk(value: &Value, path: &str, space: &dyn Space) -> Option<Value> {
    path.split('|').find_map(|path| walk_one(value, path, space))
}

fn walk_one(value: &Value, path: &str, space: &dyn Space) -> Option<Value> {
    let mut at = value.clone();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('*') {
            at = at.deref(space).ok()?;
            rest = after.strip_prefix('.').filter(|after| !after.starts_with('.')).unwrap_or(after);
            continue;
        }
        let (deep, after) = match rest.strip_prefix("..") {
            Some(after) => (true, after),
            None => (false, rest),
        };
        let end = after.find(['.', '*']).unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        at = if deep { descend(&at, name, space)? } else { at.find_field(name, space).ok()?? };
        rest = match behind.strip_prefix('.') {
            Some(after) if !after.starts_with('.') => after,
            _ => behind,
        };
    }
    Some(at)
}

/// The first field of a name in any depth.
fn descend(value: &Value, name: &str, space: &dyn Space) -> Option<Value> {
    let mut level = vec![value.clone()];
    let mut left = MAX_FIELDS;
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for value in &level {
            let Kind::Fields(fields) = value.kind() else { continue };
            for (index, member) in fields.members.iter().enumerate() {
                left = left.checked_sub(1)?;
                let Ok(inner) = value.member(index, space) else { continue };
                if member.name.as_deref() == Some(name) {
                    return Some(descend(&inner, name, space).unwrap_or(inner));
                }
                next.push(inner);
            }
        }
        if next.is_empty() {
            return None;
        }
        level = next;
    }
    None
}

/// A number at a path.
pub(super) fn number(value: &Value, path: &str, space: &dyn Space) -> Option<u64> {
    match walk(value, path, space)?.scalar(space).ok()? {
        Scalar::Int(value) => u64::try_from(value).ok(),
        Scalar::Float(_) => None,
    }
}

/// An address at a path.
pub(super) fn address(value: &Value, path: &str, space: &dyn Space) -> Option<Addr> {
    walk(value, path, space)?.address(space).ok()
}

/// A generic parameter of a type, by its name or by its number.
pub(super) fn parameter(value: &Value, name: &str) -> Option<TypeId> {
    let Kind::Fields(fields) = value.kind() else { return None };
    let by_number = || fields.parameters.get(name.parse::<usize>().ok()?);
    let found = fields.parameters.iter().find(|(own, _)| &**own == name).or_else(by_number)?;
    Some(found.1)
}

/// The path of a type without generic arguments and namespaces that only say a version.
pub(crate) fn plain_path(value: &Value) -> String {
    let (id, _) = value.plain();
    let mut out = String::new();
    for part in value.info().path_of(id) {
        let name = part.split('<').next().unwrap_or_default().trim_end();
        if matches!(name, "__cxx11" | "__debug" | "__1" | "__8") {
            continue;
        }
        if !out.is_empty() {
            out.push_str("::");
        }
        out.push_str(name);
    }
    out
}
