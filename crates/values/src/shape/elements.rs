//! The elements of lists.

use std::sync::Arc;

use retake_model::Addr;

use super::maps::entries;
use super::table::{Len, Shape, shape_of};
use super::walk::{address, number, parameter, plain_path, walk};
use super::{go, go_maps};
use crate::dwarf::{Kind, Language, TypeId};
use crate::space::Space;
use crate::value::{Scalar, Value};
use crate::{Missing, ValueError};

/// No list has more elements than there are addresses; what says so is garbage.
const MAX_LEN: u64 = 1 << 40;
/// Nodes of a linked list that are gone through.
const MAX_NODES: u64 = 1 << 16;
/// Bytes of a block of a deque (`_GLIBCXX_DEQUE_BUF_SIZE`).
const DEQUE_BLOCK: u64 = 512;
/// Parts of a tuple.
const MAX_PARTS: usize = 64;

/// Some elements of a list.
pub(super) struct Elements {
    pub(super) label: String,
    pub(super) len: u64,
    pub(super) cap: Option<u64>,
    pub(super) items: Vec<Value>,
}

/// Some of the elements of a list; none if its type is not as the shape says.
pub(super) fn elements(
    value: &Value,
    shape: Shape,
    space: &dyn Space,
    from: u64,
    limit: u64,
) -> Option<Elements> {
    match shape {
        Shape::List { data, len, cap, element } => {
            let pointer = walk(value, data, space)?;
            let element = element_type(value, &pointer, element)?;
            let start = pointer.address(space).ok()?;
            let size = value.info().size_of(element)?;
            let count = |len: Len| counted(value, len, start, size, space);
            let len = count(len)?;
            // A Rust vector of nothing has room for everything.
            let cap = cap.and_then(count).filter(|cap| *cap < MAX_LEN);
            let items = side_by_side(
                value,
                element,
                start,
                size,
                from,
                limit.min(len.saturating_sub(from)),
            );
            // `Vec`, `vector`, `span`.
            let path = plain_path(value);
            let label = path.rsplit("::").next().unwrap_or_default().to_owned();
            Some(Elements { label, len, cap, items })
        }
        Shape::Ring { data, head, len, cap, element } => {
            let pointer = walk(value, data, space)?;
            let element = element_type(value, &pointer, element)?;
            let start = pointer.address(space).ok()?;
            let size = value.info().size_of(element)?;
            let [head, len, cap] = [head, len, cap].map(|path| number(value, path, space));
            let (head, len, cap) = (head?, len?, cap?.max(1));
            let some = limit.min(len.saturating_sub(from)).min(MAX_NODES);
            let items = (from..from.saturating_add(some)).map(|index| {
                let at = head.wrapping_add(index) % cap;
                nth(value, element, start, size, at)
            });
            let items = items.collect();
            Some(Elements { label: "VecDeque".to_owned(), len, cap: Some(cap), items })
        }
        Shape::Linked { label } => linked(value, label, space, from, limit),
        Shape::Deque => deque(value, space, from, limit),
        _ => None,
    }
}

fn element_type(value: &Value, pointer: &Value, element: &str) -> Option<TypeId> {
    if !element.is_empty() {
        return parameter(value, element);
    }
    match pointer.kind() {
        Kind::Pointer { to, .. } => Some(to),
        _ => None,
    }
}

fn counted(value: &Value, len: Len, start: Addr, size: u64, space: &dyn Space) -> Option<u64> {
    let count = match len {
        Len::Field(path) => number(value, path, space)?,
        Len::End(path) => {
            let end = address(value, path, space)?;
            end.get().checked_sub(start.get())?.checked_div(size)?
        }
    };
    Some(count)
}

fn nth(value: &Value, element: TypeId, start: Addr, size: u64, index: u64) -> Value {
    let at = start.get().wrapping_add(size.wrapping_mul(index));
    Value::at(Arc::clone(value.info()), element, Addr::new(at))
}

pub(super) fn side_by_side(
    value: &Value,
    element: TypeId,
    start: Addr,
    size: u64,
    from: u64,
    count: u64,
) -> Vec<Value> {
    let end = from.saturating_add(count.min(MAX_NODES));
    (from..end).map(|index| nth(value, element, start, size, index)).collect()
}

/// `std::list`: nodes in a ring around the head.
fn linked(
    value: &Value,
    label: &'static str,
    space: &dyn Space,
    from: u64,
    limit: u64,
) -> Option<Elements> {
    let head = walk(value, "_M_impl._M_node", space)?.addr()?;
    let element = parameter(value, "0")?;
    let mut at = Addr::new(space.word(head).ok()?);
    let (mut len, mut items) = (0_u64, Vec::new());
    while at != head && len < MAX_NODES {
        if len >= from && u64::try_from(items.len()).unwrap_or(u64::MAX) < limit {
            // The links are two words.
            let inside = Addr::new(at.get().wrapping_add(16));
            items.push(Value::at(Arc::clone(value.info()), element, inside));
        }
        len += 1;
        let Ok(next) = space.word(at) else { break };
        at = Addr::new(next);
    }
    Some(Elements { label: label.to_owned(), len, cap: None, items })
}

fn deque(value: &Value, space: &dyn Space, from: u64, limit: u64) -> Option<Elements> {
    let element = parameter(value, "0")?;
    let size = value.info().size_of(element)?.max(1);
    let per_block = if size < DEQUE_BLOCK { DEQUE_BLOCK / size } else { 1 };
    let part = |path: &str| address(value, path, space);
    let first = part("_M_impl._M_start._M_cur")?;
    let block = part("_M_impl._M_start._M_first")?;
    let node = part("_M_impl._M_start._M_node")?;
    let last = part("_M_impl._M_finish._M_cur")?;
    let last_block = part("_M_impl._M_finish._M_first")?;
    let last_node = part("_M_impl._M_finish._M_node")?;
    let skipped = first.get().checked_sub(block.get())? / size;
    let blocks = last_node.get().checked_sub(node.get())? / 8;
    let tail = last.get().checked_sub(last_block.get())? / size;
    let len = blocks.checked_mul(per_block)?.checked_add(tail)?.checked_sub(skipped)?;
    let some = limit.min(len.saturating_sub(from)).min(MAX_NODES);
    let mut items = Vec::new();
    for index in from..from.saturating_add(some) {
        let index = index + skipped;
        let slot = Addr::new(node.get().wrapping_add(8 * (index / per_block)));
        let block = Addr::new(space.word(slot).ok()?);
        items.push(nth(value, element, block, size, index % per_block));
    }
    Some(Elements { label: "deque".to_owned(), len, cap: None, items })
}

/// The value of an optional; `Some(None)` if there is none.
pub(super) fn optional(
    value: &Value,
    engaged: &str,
    path: &str,
    space: &dyn Space,
) -> Option<Option<Value>> {
    if number(value, engaged, space)? == 0 {
        return Some(None);
    }
    let held = walk(value, path, space)?;
    let ty = parameter(value, "0")?;
    Some(Some(held.taken_for(value.info(), ty)))
}

/// The parts of `std::tuple`, which is a chain of base classes.
pub(super) fn parts_of_tuple(value: &Value, space: &dyn Space) -> Vec<Value> {
    let mut parts = Vec::new();
    collect_parts(value, space, &mut parts, MAX_PARTS);
    parts
}

fn collect_parts(value: &Value, space: &dyn Space, parts: &mut Vec<Value>, left: usize) {
    let (Kind::Fields(fields), Some(left)) = (value.kind(), left.checked_sub(1)) else { return };
    if parts.len() >= MAX_PARTS {
        return;
    }
    let (mut heads, mut rest) = (Vec::new(), Vec::new());
    for (index, member) in fields.members.iter().enumerate() {
        let Ok(inner) = value.member(index, space) else { continue };
        match plain_path(&inner).as_str() {
            "std::_Head_base" => heads.push(inner),
            _ if member.is_base => rest.push(inner),
            _ => {}
        }
    }
    for head in heads {
        // An empty class is a base of its own head.
        parts.push(walk(&head, "_M_head_impl", space).unwrap_or(head));
    }
    for inner in rest {
        collect_parts(&inner, space, parts, left);
    }
}

/// Which alternative of `std::variant` there is, and its value.
pub(super) fn variant_of(value: &Value, space: &dyn Space) -> Option<(u64, Option<Value>)> {
    let index = number(value, ".._M_index", space)?;
    let Some(ty) = parameter(value, &index.to_string()) else { return Some((index, None)) };
    let storage = walk(value, "_M_u", space)?;
    Some((index, Some(storage.taken_for(value.info(), ty))))
}

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
    let limits = super::Limits { text: 1 << 16, ..super::Limits::default() };
    let shown = super::show(value, space, limits);
    text_in(shown.node)
}

fn text_in(node: super::Node) -> Option<String> {
    match node {
        super::Node::Text { text, .. } => Some(text),
        super::Node::Pointer { to: Some(to), .. } => text_in(to.node),
        super::Node::Wrapped { inner: Some(inner), .. } => text_in(inner.node),
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
    super::enums::held_by(value, space)
}

/// What a smart pointer, a cell, an optional value or an interface holds.
pub fn held_in(value: &Value, space: &dyn Space) -> Option<Value> {
    let Kind::Fields(fields) = value.kind() else { return None };
    if let Some(held) = go::held(value, space) {
        return Some(held);
    }
    if fields.variants.is_some() {
        // `Some(x)`, `Ok(x)`: the only field of the variant.
        let inner = super::enums::held_by(value, space)?;
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
