//! Interfaces of Go: what they hold (runtime/runtime2.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use gimli::{AttributeValue, DwAt};
use retake_model::Addr;

use super::go::name_of;
use super::runtime_types;
use super::show::Shower;
use super::shown::Node;
use super::walk::{address, walk};
use crate::dwarf::{Info, Kind, TypeId};
use crate::space::Space;
use crate::value::Value;

/// `DW_AT_go_runtime_type` (cmd/internal/dwarf/dwarf.go): where the runtime describes the type.
const RUNTIME_TYPE: DwAt = DwAt(0x2904);

/// The type that an interface holds, and the value.
fn dynamic(value: &Value, space: &dyn Space) -> Option<Result<Value, Addr>> {
    let pointer = match walk(value, "tab", space) {
        Some(tab) => {
            let addr = tab.address(space).ok()?;
            if addr.is_null() {
                return None;
            }
            walk(&tab, "*._type|*.Type|*.Type_", space)?.address(space).ok()?
        }
        None => address(value, "_type", space)?,
    };
    if pointer.is_null() {
        return None;
    }
    let info = value.info();
    let bias = space.bias(info)?;
    let at = pointer.get().wrapping_sub(bias);
    let Some(ty) = go_types(info).get(&at).copied() else { return Some(Err(pointer)) };
    let data = address(value, "data", space)?;
    // Types that are a pointer are kept as they are, others behind one.
    let direct = match info.plain(ty).1.map(|ty| ty.kind.clone()) {
        Some(Kind::Pointer { .. }) => true,
        Some(Kind::Fields(fields)) => {
            matches!(fields.members.as_slice(), [only]
                if matches!(info.plain(only.ty).1.map(|ty| ty.kind.clone()), Some(Kind::Pointer { .. })))
        }
        _ => false,
    };
    Some(Ok(if direct {
        Value::of_bytes(Arc::clone(info), ty, &data.get().to_le_bytes())
    } else {
        Value::at(Arc::clone(info), ty, data)
    }))
}

pub(super) fn interface(shower: &Shower<'_>, value: &Value, depth: usize) -> Option<Node> {
    let declared = value.type_name();
    let label = |inner: &str| match declared.as_str() {
        "interface {}" | "runtime.eface" | "any" => format!("interface {{}}({inner})"),
        declared => format!("{declared}({inner})"),
    };
    match dynamic(value, shower.space) {
        None => Some(Node::Plain(format!("{declared} nil"))),
        Some(Err(pointer)) => {
            // The linker leaves the description of a type out that it finds only in interfaces.
            let name = runtime_types::name_at(value.info(), pointer, shower.space);
            let symbol = || shower.space.symbol(pointer);
            let what = name.or_else(symbol).unwrap_or_else(|| format!("the type at {pointer}"));
            let data = address(value, "data", shower.space)?;
            Some(Node::Plain(format!(
                "{}({data}, which no debug information describes)",
                label(&what)
            )))
        }
        Some(Ok(held)) => {
            if depth == 0 {
                return Some(Node::Cut);
            }
            let ty = held.type_name();
            let inner = Some(Box::new(shower.shown(&held, depth - 1)));
            Some(Node::Wrapped { label: label(&ty), inner, notes: Vec::new() })
        }
    }
}

/// The value that an interface holds, for `x.(T)` and fields.
pub(crate) fn held(value: &Value, space: &dyn Space) -> Option<Value> {
    let name = name_of(value);
    if !matches!(name.as_str(), "runtime.iface" | "runtime.eface") {
        return None;
    }
    dynamic(value, space)?.ok()
}

/// The types that the runtime describes, by the address of the description.
fn go_types(info: &Arc<Info>) -> &BTreeMap<u64, TypeId> {
    info.go_types.get_or_init(|| {
        let first = info.module().object_named("runtime.types").map(retake_model::FileAddr::get);
        let mut found = BTreeMap::new();
        for start in info.unit_starts() {
            let Some(unit) = info.unit_at(start) else { continue };
            let mut entries = unit.unit.entries();
            while let Ok(Some((_, entry))) = entries.next_dfs() {
                let at = match entry.attr_value(RUNTIME_TYPE) {
                    Ok(Some(AttributeValue::Addr(at))) => Some(at),
                    Ok(Some(value)) => value.udata_value(),
                    _ => None,
                };
                // Linkers since Go 1.18 count from where the runtime keeps all of them.
                let at = at.filter(|at| *at != 0).map(|at| match first {
                    Some(first) if at < first => first.wrapping_add(at),
                    _ => at,
                });
                let Some(at) = at else { continue };
                // A type under a name and the structure in it share the description: the name comes last.
                found.insert(at, unit.id_of(entry.offset()));
            }
        }
        found
    })
}
