//! What a shape of the table makes of a value.

use super::elements::{elements, optional, parts_of_tuple, side_by_side, variant_of};
use super::maps::entries;
use super::show::{Shower, missing};
use super::shown::{Node, Shown, Style};
use super::table::Shape;
use super::walk::{address, number, parameter, walk};
use crate::dwarf::Kind;
use crate::space::Space;
use crate::value::{Scalar, Value};

type Notes = &'static [(&'static str, &'static str, i64)];

/// A value in a shape; none if its type is not as the shape says.
pub(super) fn apply(
    shower: &Shower<'_>,
    value: &Value,
    shape: Shape,
    depth: usize,
) -> Option<Node> {
    let space = shower.space;
    match shape {
        Shape::Text { data, len } => {
            let len = number(value, len, space)?;
            let some = len.min(shower.limits.text);
            let first = walk(value, data, space)?;
            let unit = match first.kind() {
                Kind::Pointer { to, .. } => Some(to),
                _ => parameter(value, "_CharT"),
            };
            let size = unit.and_then(|unit| value.info().size_of(unit)).unwrap_or(1).max(1);
            let mut bytes = vec![0; usize::try_from(some.checked_mul(size)?).ok()?];
            if let Err(why) = space.read_all(first.address(space).ok()?, &mut bytes) {
                return Some(Node::Missing(why.to_string()));
            }
            Some(Node::Text { text: text_of_units(&bytes, size), len, more: some < len })
        }
        Shape::List { .. } | Shape::Ring { .. } | Shape::Linked { .. } | Shape::Deque => {
            let from = shower.from(depth);
            let found = elements(value, shape, space, from, shower.limits.items)?;
            let items = shower.all(&found.items, depth - 1);
            let label = Some(found.label);
            Some(Node::List { label, len: found.len, cap: found.cap, items })
        }
        Shape::Tree { label }
        | Shape::Chain { label }
        | Shape::Swiss { label }
        | Shape::BTree { label } => {
            let from = shower.from(depth);
            let found = entries(value, shape, space, from, shower.limits.items)?;
            let is_map = found.pairs.iter().any(|(_, value)| value.is_some());
            if !is_map && (label.contains("set") || label.contains("Set")) {
                let keys: Vec<Value> = found.pairs.into_iter().map(|(key, _)| key).collect();
                let items = shower.all(&keys, depth - 1);
                let label = Some(label.to_owned());
                return Some(Node::List { label, len: found.len, cap: None, items });
            }
            let entry = |(key, value): (Value, Option<Value>)| {
                let key = shower.shown(&key, depth - 1);
                let value = value.map_or_else(
                    || missing("", "there is no value"),
                    |value| shower.shown(&value, depth - 1),
                );
                (key, value)
            };
            let entries = found.pairs.into_iter().map(entry).collect();
            Some(Node::Map { label: label.to_owned(), len: found.len, entries })
        }
        Shape::Wrapped { label, inner, notes } => {
            let inner = Some(Box::new(shower.shown(&walk(value, inner, space)?, depth - 1)));
            let notes = noted(value, notes, space);
            Some(Node::Wrapped { label: label.to_owned(), inner, notes })
        }
        Shape::Owner { label, pointer, inner, notes } => {
            let pointer = walk(value, pointer, space)?;
            if let Some(held) = behind_wide(shower, &pointer, inner, depth) {
                let notes = counted(value, &pointer.field("data_ptr", space).ok()?, notes, space);
                let inner = Some(Box::new(Shown {
                    ty: pointer.type_name(),
                    style: Style::Rust,
                    node: held,
                }));
                return Some(Node::Wrapped { label: label.to_owned(), inner, notes });
            }
            if pointer.address(space).ok()?.is_null() {
                return Some(Node::Plain(format!("{label}(nullptr)")));
            }
            let target = pointer.deref(space).ok()?;
            let held = if inner.is_empty() { target } else { walk(&target, inner, space)? };
            let notes = counted(value, &pointer, notes, space);
            let inner = Some(Box::new(shower.shown(&held, depth - 1)));
            Some(Node::Wrapped { label: label.to_owned(), inner, notes })
        }
        Shape::Optional { engaged, value: path } => {
            let name = match optional(value, engaged, path, space)? {
                Some(held) => {
                    let items = vec![shower.shown(&held, depth - 1)];
                    return Some(Node::Tuple { name: Some("optional".to_owned()), items });
                }
                None => "nullopt".to_owned(),
            };
            Some(Node::Plain(name))
        }
        Shape::StdTuple => {
            let items = shower.all(&parts_of_tuple(value, space), depth - 1);
            Some(Node::Tuple { name: Some("tuple".to_owned()), items })
        }
        Shape::StdFunction => called_by(value, space).map(Node::Plain),
        Shape::StdVariant => {
            let (index, held) = variant_of(value, space)?;
            let items = match held {
                Some(held) => vec![shower.shown(&held, depth - 1)],
                None => Vec::new(),
            };
            Some(Node::Tuple { name: Some(format!("variant#{index}")), items })
        }
    }
}

/// Text in units of one, two or four bytes: UTF-8, UTF-16 or UTF-32.
fn text_of_units(bytes: &[u8], size: u64) -> String {
    match size {
        2 => {
            let (units, _) = bytes.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            String::from_utf16_lossy(&units)
        }
        4 => {
            let (units, _) = bytes.as_chunks::<4>();
            let one = |unit: &[u8; 4]| char::from_u32(u32::from_le_bytes(*unit));
            units.iter().map(|unit| one(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// What a pointer to a counted text or slice of Rust leads to: it has a length beside it.
fn behind_wide(shower: &Shower<'_>, pointer: &Value, inner: &str, depth: usize) -> Option<Node> {
    let space = shower.space;
    let len = number(pointer, "length", space)?;
    let target = pointer.field("data_ptr", space).ok()?.deref(space).ok()?;
    let first = target.field(inner, space).ok()?;
    let name = target.type_name();
    if name.ends_with("<str>") {
        let some = len.min(shower.limits.text);
        return Some(match first.stored.read(0, some, space) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Node::Text { text, len, more: some < len }
            }
            Err(why) => Node::Missing(why.to_string()),
        });
    }
    let ty = match first.kind() {
        Kind::Array { element, .. } => element,
        _ => first.type_id(),
    };
    let (start, size) = (first.addr()?, first.info().size_of(ty)?);
    let items = side_by_side(&first, ty, start, size, 0, shower.limits.items.min(len));
    let items = shower.all(&items, depth.checked_sub(1)?);
    Some(Node::List { label: None, len, cap: None, items })
}

/// What a `std::function` calls. The name of the function that calls it has its type: `std::_Function_handler<int
/// (int), TARGET>::_M_invoke`.
fn called_by(value: &Value, space: &dyn Space) -> Option<String> {
    let invoker = address(value, "_M_invoker", space)?;
    let manager = address(value, ".._M_manager", space)?;
    if manager.is_null() {
        return Some("function(empty)".to_owned());
    }
    let name = space.symbol(invoker)?;
    let inner = name.split_once("_Function_handler<")?.1;
    let target = second_argument(inner)?;
    // A pointer to a function is kept in the object itself.
    let pointer =
        target.contains("(*)").then(|| walk(value, "_M_functor", space)?.addr()).flatten();
    let called = pointer.and_then(|at| space.symbol(retake_model::Addr::new(space.word(at).ok()?)));
    Some(format!("function({})", called.as_deref().unwrap_or(target)))
}

/// The second of the arguments that a text begins with, up to the bracket that ends them.
fn second_argument(text: &str) -> Option<&str> {
    let (mut depth, mut start) = (0_usize, None);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '{' | '[' => depth += 1,
            '>' if depth == 0 => return text.get(start?..at).map(str::trim),
            ',' if depth == 0 => match start {
                None => start = Some(at + 1),
                Some(start) => return text.get(start..at).map(str::trim),
            },
            '>' | ')' | '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn noted(value: &Value, notes: Notes, space: &dyn Space) -> Vec<(String, String)> {
    let note = |(name, path, add): &(&str, &str, i64)| {
        let Scalar::Int(count) = walk(value, path, space)?.scalar(space).ok()? else { return None };
        let count = count.checked_add((*add).into())?;
        // Nothing is borrowed, locked or poisoned most of the time.
        (count != 0).then(|| ((*name).to_owned(), count.to_string()))
    };
    notes.iter().filter_map(note).collect()
}

/// Counts of an owner: those that begin with `*` are in what its pointer leads to.
fn counted(
    value: &Value,
    pointer: &Value,
    notes: Notes,
    space: &dyn Space,
) -> Vec<(String, String)> {
    let note = |(name, path, add): &(&str, &str, i64)| {
        let at = if path.starts_with('*') { pointer } else { value };
        let Scalar::Int(count) = walk(at, path, space)?.scalar(space).ok()? else { return None };
        Some(((*name).to_owned(), count.checked_add((*add).into())?.to_string()))
    };
    notes.iter().filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::{second_argument, text_of_units};

    #[test]
    fn texts_of_wide_characters() {
        assert_eq!(text_of_units("é".as_bytes(), 1), "é");
        assert_eq!(text_of_units(&[b'a', 0, 0x3d, 0xd8, 0, 0xde], 2), "a\u{1f600}");
        assert_eq!(text_of_units(&[b'a', 0, 0, 0, 0, 0, 0x11, 0], 4), "a\u{fffd}");
    }

    #[test]
    fn arguments_have_brackets_of_their_own() {
        let text =
            "int (int, char), main::{lambda(int, char)#1}>::_M_invoke(std::_Any_data const&)";
        assert_eq!(second_argument(text), Some("main::{lambda(int, char)#1}"));
        assert_eq!(
            second_argument("void (), std::_Bind<F<int>, int> >"),
            Some("std::_Bind<F<int>, int>")
        );
        assert_eq!(second_argument("int"), None);
        assert_eq!(second_argument(")>,"), None);
    }
}
