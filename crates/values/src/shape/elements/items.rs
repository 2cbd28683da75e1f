//! Elements of a value that expressions name: by number, by key; what a value holds.

use super::{MAX_NODES, elements, optional};
use crate::dwarf::{Kind, Language};
use crate::shape::maps::entries;
use crate::shape::table::{Shape, shape_of};
use crate::shape::walk::{number, plain_path, walk};
use crate::shape::{Limits, Node, dynamic, enums, go, go_interfaces, go_maps, show};
use crate::space::Space;
use crate::value::{Scalar, Value};
use crate::{Missing, ValueError};

/// A key of a map, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A number.
    Number(i128),
    /// A text.
    Text(String),
}

/// An element of an array, a pointer, or a container.
///
/// # Errors
/// When there is none.
pub fn item_of(value: &Value, index: i128, space: &dyn Space) -> Result<Value, ValueError> {
    let value = &referred(value, space);
    if let Some(why) = value.why_missing() {
        return Err(why.clone().into());
    }
    if go::is_map(value) {
        return entry_of(value, &Key::Number(index), space);
    }
    let found = match value.kind() {
        Kind::Fields(_) => some_of(value, index, space),
        _ => return value.element(index, space),
    };
    let (len, item) = found.ok_or_else(|| ValueError::NoElements(value.type_name()))?;
    let is_inside = (0..i128::from(len)).contains(&index);
    item.ok_or_else(|| match is_inside {
        true => Missing::OptimizedOut("where its elements are is not kept").into(),
        false => ValueError::OutOfRange { index, len },
    })
}

/// The length of a container, and one of its elements.
fn some_of(value: &Value, index: i128, space: &dyn Space) -> Option<(u64, Option<Value>)> {
    let from = u64::try_from(index).unwrap_or(u64::MAX);
    if let Some((len, item)) = go::item(value, from, space) {
        return Some((len, item));
    }
    if let (Ok(data), Some(len)) = (value.field("data_ptr", space), number(value, "length", space))
    {
        let inside = from < len;
        return Some((len, inside.then(|| data.element(index, space).ok()).flatten()));
    }
    let shape = shape_of(&plain_path(value))?;
    match shape {
        Shape::Wrapped { inner, .. } => {
            let inner = walk(value, inner, space)?;
            Some((length_of(&inner, space).unwrap_or(0), item_of(&inner, index, space).ok()))
        }
        _ => {
            let found = elements(value, shape, space, from, 1)?;
            let item = if from < found.len { found.items.into_iter().next() } else { None };
            Some((found.len, item))
        }
    }
}

/// How many elements there are, or bytes of a text.
pub fn length_of(value: &Value, space: &dyn Space) -> Option<u64> {
    let value = &referred(value, space);
    match value.kind() {
        Kind::Array { count, .. } => count,
        Kind::Fields(_) | Kind::Pointer { .. } => {
            if let Some(len) = go::length(value, space) {
                return Some(len);
            }
            if let Some(len) = number(value, "length", space)
                && value.field("data_ptr", space).is_ok()
            {
                return Some(len);
            }
            match shape_of(&plain_path(value))? {
                Shape::Text { len, .. } => number(value, len, space),
                Shape::Wrapped { inner, .. } => length_of(&walk(value, inner, space)?, space),
                shape @ (Shape::Tree { .. }
                | Shape::Chain { .. }
                | Shape::Swiss { .. }
                | Shape::BTree { .. }) => entries(value, shape, space, 0, 0).map(|found| found.len),
                shape => elements(value, shape, space, 0, 0).map(|found| found.len),
            }
        }
        _ => None,
    }
}

/// The value of a key of a map.
///
/// # Errors
/// When it is no map, or has no such key.
pub fn entry_of(value: &Value, key: &Key, space: &dyn Space) -> Result<Value, ValueError> {
    let value = &referred(value, space);
    if let Some(why) = value.why_missing() {
        return Err(why.clone().into());
    }
    let found = go_maps::entries(value, space, 0, MAX_NODES).or_else(|| {
        let shape = shape_of(&plain_path(value))?;
        entries(value, shape, space, 0, MAX_NODES)
    });
    let found = found.ok_or_else(|| ValueError::NoElements(value.type_name()))?;
    let is = |candidate: &Value| match key {
        Key::Number(wanted) => {
            matches!(candidate.scalar(space), Ok(Scalar::Int(number)) if number == *wanted)
        }
        Key::Text(wanted) => text_of(candidate, space).as_deref() == Some(wanted),
    };
    let found = found.pairs.into_iter().find(|(candidate, _)| is(candidate));
    let name = match key {
        Key::Number(number) => number.to_string(),
        Key::Text(text) => format!("{text:?}"),
    };
    let (key, value) = found.ok_or(ValueError::NoKey(name))?;
    Ok(value.unwrap_or(key))
}

/// The text of a value, if it is one.
pub fn text_of(value: &Value, space: &dyn Space) -> Option<String> {
    let limits = Limits { text: 1 << 16, ..Limits::default() };
    let shown = show(value, space, limits);
    text_in(shown.node)
}

fn text_in(node: Node) -> Option<String> {
    match node {
        Node::Text { text, .. } => Some(text),
        Node::Pointer { to: Some(to), .. } => text_in(to.node),
        Node::Wrapped { inner: Some(inner), .. } => text_in(inner.node),
        _ => None,
    }
}

/// What a reference leads to.
fn referred(value: &Value, space: &dyn Space) -> Value {
    use crate::dwarf::PointerForm;
    let language = value.plain().1.map(|ty| ty.language);
    match value.kind() {
        Kind::Pointer { form: PointerForm::Reference | PointerForm::RvalueReference, .. } => {
            value.deref(space).unwrap_or_else(|_| value.clone())
        }
        // A reference of Rust to something that is no number.
        Kind::Pointer { to, .. } if language == Some(Language::Rust) => {
            match value.info().plain(to).1.map(|ty| ty.kind.clone()) {
                Some(Kind::Fields(_) | Kind::Array { .. }) => {
                    value.deref(space).unwrap_or_else(|_| value.clone())
                }
                _ => value.clone(),
            }
        }
        _ => value.clone(),
    }
}

/// The fields of the variant that a value of a sum type of Rust is.
pub fn payload_of(value: &Value, space: &dyn Space) -> Option<Value> {
    enums::held_by(value, space)
}

/// What a smart pointer, a cell, an optional value or an interface holds.
pub fn held_in(value: &Value, space: &dyn Space) -> Option<Value> {
    let Kind::Fields(fields) = value.kind() else { return None };
    if let Some(held) =
        go_interfaces::held(value, space).or_else(|| dynamic::trait_object(value, space))
    {
        return Some(held);
    }
    if fields.variants.is_some() {
        // `Some(x)`, `Ok(x)`: the only field of the variant.
        let inner = enums::held_by(value, space)?;
        return inner.field("__0", space).ok().or(Some(inner));
    }
    match shape_of(&plain_path(value))? {
        Shape::Wrapped { inner, .. } => walk(value, inner, space),
        Shape::Owner { pointer, inner, .. } => {
            let target = walk(value, pointer, space)?.deref(space).ok()?;
            if inner.is_empty() { Some(target) } else { walk(&target, inner, space) }
        }
        Shape::Optional { engaged, value: path } => optional(value, engaged, path, space)?,
        _ => None,
    }
}
