//! What a pointer to a base class, or a trait object, really points to.

use std::collections::BTreeMap;
use std::sync::Arc;

use gimli::{AttributeValue, Operation, constants};
use retake_model::{Addr, FileAddr};

use super::walk::walk;
use crate::dwarf::{Info, Kind, Language, TypeId, reference};
use crate::space::Space;
use crate::value::Value;

/// Base classes inside each other that are searched for a table.
const MAX_DEPTH: usize = 8;
/// The same in all.
const MAX_SEARCHED: usize = 512;

/// The class of an object that a pointer of C++ leads to, if it is another one than the pointer says, and how far
/// the object begins before the pointer. The table of virtual functions tells (Itanium C++ ABI 2.5.2).
pub(super) fn class(pointer: &Value, to: TypeId, space: &dyn Space) -> Option<(TypeId, u64)> {
    let info = pointer.info();
    let (own, ty) = info.plain(to);
    let ty = ty.filter(|ty| ty.language == Language::Cpp)?;
    let Kind::Fields(_) = ty.kind else { return None };
    let at = pointer.address(space).ok().filter(|addr| !addr.is_null())?;
    let mut searched = MAX_SEARCHED;
    if !has_table(info, own, MAX_DEPTH, &mut searched) {
        return None;
    }
    let table = space.word(at).ok()?;
    let bias = space.bias(info)?;
    let (name, _) = info.module().object_at(FileAddr::new(table.wrapping_sub(bias)))?;
    // Demanglers write `vtable for T` or `{vtable(T)}`.
    let braced = || name.strip_prefix("{vtable(")?.strip_suffix(")}");
    let name = name.strip_prefix("vtable for ").or_else(braced)?;
    let found = info.types_named(name).into_iter().next()?;
    // The distance to the whole object stands two words before what the table's pointer points to.
    let to_top = space.word(Addr::new(table.wrapping_sub(16))).ok()?;
    (found != own).then_some((found, to_top))
}

fn has_table(info: &Info, ty: TypeId, left: usize, searched: &mut usize) -> bool {
    let (Some(left), Some(rest)) = (left.checked_sub(1), searched.checked_sub(1)) else {
        return false;
    };
    *searched = rest;
    let (_, ty) = info.plain(ty);
    let Some(Kind::Fields(fields)) = ty.as_deref().map(|ty| &ty.kind) else { return false };
    fields.members.iter().any(|member| {
        member.name.as_deref().is_some_and(|name| name.starts_with("_vptr"))
            || (member.is_base && has_table(info, member.ty, left, searched))
    })
}

/// What a trait object of Rust points to: its type's table of functions tells.
pub(super) fn trait_object(value: &Value, space: &dyn Space) -> Option<Value> {
    let Kind::Fields(fields) = value.kind() else { return None };
    let names = fields.members.iter().map(|member| member.name.as_deref());
    if !names.eq([Some("pointer"), Some("vtable")]) {
        return None;
    }
    let info = value.info();
    let table = walk(value, "vtable", space)?.address(space).ok()?;
    let bias = space.bias(info)?;
    let ty = tables(info).get(&table.get().wrapping_sub(bias)).copied()?;
    let at = walk(value, "pointer", space)?.address(space).ok()?;
    Some(Value::at(Arc::clone(info), ty, at))
}

/// The tables of functions of Rust's trait objects, and the types that they are for.
fn tables(info: &Arc<Info>) -> &BTreeMap<u64, TypeId> {
    info.rust_tables.get_or_init(|| {
        let all = info.variable_names(&|name| name.ends_with("{vtable}"), usize::MAX);
        all.into_iter().filter_map(|(_, id)| table(info, id)).collect()
    })
}

fn table(info: &Arc<Info>, id: TypeId) -> Option<(u64, TypeId)> {
    let (unit, offset) = info.find(id)?;
    let entry = unit.unit.entry(offset).ok()?;
    let AttributeValue::Exprloc(expression) =
        entry.attr_value(constants::DW_AT_location).ok()??
    else {
        return None;
    };
    let at = match expression.operations(unit.unit.encoding()).next().ok()?? {
        Operation::Address { address } => address,
        Operation::AddressIndex { index } => unit.dwarf.address(&unit.unit, index).ok()?,
        _ => return None,
    };
    let ty = reference(&unit, &entry, constants::DW_AT_type)?;
    let (unit, offset) = info.find(ty)?;
    let entry = unit.unit.entry(offset).ok()?;
    Some((at, reference(&unit, &entry, constants::DW_AT_containing_type)?))
}
