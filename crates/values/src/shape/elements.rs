//! The elements of lists.

mod items;

use std::sync::Arc;

use retake_model::Addr;

use super::table::{Len, Shape};
use super::walk::{address, number, parameter, plain_path, walk};
use crate::dwarf::{Kind, TypeId};
use crate::space::Space;
use crate::value::Value;

pub use items::{Key, entry_of, held_in, item_of, length_of, payload_of, text_of};

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
            if pointer.find_field("_M_offset", space).ok()?.is_some() {
                return bits(value, space, from, limit);
            }
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

/// `std::vector<bool>`: words of 64 bits, from a bit of one to a bit of another.
fn bits(value: &Value, space: &dyn Space, from: u64, limit: u64) -> Option<Elements> {
    const WORD: u64 = 64;
    let place = |path: &str| {
        let at = walk(value, path, space)?;
        Some((address(&at, "_M_p", space)?.get(), number(&at, "_M_offset", space)?))
    };
    let (start, first) = place("_M_impl._M_start")?;
    let (end, last) = place("_M_impl._M_finish")?;
    let words = end.checked_sub(start)?.checked_div(WORD / 8)?;
    let len = words.checked_mul(WORD)?.checked_add(last)?.checked_sub(first)?;
    let ty = value.info().number_named("bool")?;
    let mut items = Vec::new();
    for index in from..from.saturating_add(limit.min(len.saturating_sub(from)).min(MAX_NODES)) {
        let bit = first.checked_add(index)?;
        let word = space.word(Addr::new(start.checked_add(bit / WORD * (WORD / 8))?)).ok()?;
        let bit = u8::from(word >> (bit % WORD) & 1 != 0);
        items.push(Value::of_bytes(Arc::clone(value.info()), ty, &[bit]));
    }
    Some(Elements { label: "vector<bool>".to_owned(), len, cap: None, items })
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
