//! Enumerations of C and the sum types of Rust.

use std::sync::Arc;

use super::show::{Shower, text_node};
use super::shown::{Field, Node};
use crate::dwarf::{Fields, Kind, Language, Variant};
use crate::space::Space;
use crate::value::{Value, integer};

/// The name of a number, or the names of its bits.
pub(super) fn named(names: &[(Arc<str>, i128)], number: i128, around: &[String]) -> String {
    let full = |name: &str| match around {
        [] => name.to_owned(),
        around => format!("{}::{name}", around.join("::")),
    };
    if let Some((name, _)) = names.iter().find(|(_, value)| *value == number) {
        return full(name);
    }
    // Flags: each name is one bit of its own.
    let are_flags = names.iter().all(|(_, value)| *value >= 0 && value.count_ones() <= 1);
    if are_flags && number > 0 {
        let mut rest = number;
        let mut parts = Vec::new();
        for (name, value) in names.iter().filter(|(_, value)| *value != 0) {
            if number & value != 0 {
                parts.push(full(name));
                rest &= !value;
            }
        }
        if !parts.is_empty() {
            if rest != 0 {
                parts.push(format!("{rest:#x}"));
            }
            return format!("({})", parts.join(" | "));
        }
    }
    number.to_string()
}

/// The numbers of the members, if they are those of a tuple.
pub(super) fn tuple_fields(
    fields: &Fields,
    language: Language,
) -> Option<impl Iterator<Item = usize> + use<>> {
    let is_tuple = language == Language::Rust
        && !fields.members.is_empty()
        && fields.members.iter().all(|member| {
            let number = member.name.as_deref().and_then(|name| name.strip_prefix("__"));
            number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        });
    is_tuple.then_some(0..fields.members.len())
}

/// A value of a Rust type that is no plain structure.
pub(super) fn rust(
    shower: &Shower<'_>,
    value: &Value,
    fields: &Fields,
    depth: usize,
) -> Option<Node> {
    if let Some(variants) = &fields.variants {
        let chosen = match &variants.discriminant {
            None => variants.choices.first(),
            Some(member) => {
                let number = value.placed(&member.place, member.ty, shower.space).ok()?;
                let bytes = match number.bytes(shower.space) {
                    Ok(bytes) => bytes,
                    Err(why) => return Some(Node::Missing(why.to_string())),
                };
                choose(&variants.choices, &bytes)
            }
        };
        let Some(chosen) = chosen else {
            return Some(Node::Missing("no variant has this discriminant".to_owned()));
        };
        return Some(variant(shower, value, chosen, depth));
    }
    slice(shower, value, fields, depth)
}

/// The variant that a discriminant means.
pub(crate) fn choose<'v>(choices: &'v [Variant], bytes: &[u8]) -> Option<&'v Variant> {
    let bits = u32::try_from(bytes.len().min(16)).ok()? * 8;
    let number = integer(bytes, false)?.cast_unsigned();
    let low = |value: u128| if bits >= 128 { value } else { value & ((1 << bits) - 1) };
    choices
        .iter()
        .find(|choice| choice.value.is_some_and(|value| low(value) == number))
        .or_else(|| choices.iter().find(|choice| choice.value.is_none()))
}

fn variant(shower: &Shower<'_>, value: &Value, chosen: &Variant, depth: usize) -> Node {
    let name = chosen.member.name.as_deref().unwrap_or("?").to_owned();
    let inner = match value.placed(&chosen.member.place, chosen.member.ty, shower.space) {
        Ok(inner) => inner,
        Err(err) => return Node::Missing(err.to_string()),
    };
    let Kind::Fields(fields) = inner.kind() else {
        return Node::Tuple { name: Some(name), items: vec![] };
    };
    let path = value.info().path_of(value.plain().0);
    let owner = path.last().map_or("", String::as_str).split('<').next().unwrap_or("");
    // `Some` and `Ok` stand alone, others with their type.
    let name = match owner {
        owner if owner.starts_with("{async_") => {
            // The variants have numbers, and what is in them the names.
            let state = inner.plain().1.and_then(|ty| ty.name.clone());
            async_state(&path, state.as_deref().unwrap_or(&name), chosen.line)
        }
        "Option" | "Result" => name,
        owner => format!("{owner}::{name}"),
    };
    if fields.members.is_empty() {
        return Node::Tuple { name: Some(name), items: Vec::new() };
    }
    if depth == 0 {
        return Node::Cut;
    }
    if let Some(items) = tuple_fields(&fields, Language::Rust) {
        let items = items.map(|index| shower.member(&inner, index, depth)).collect();
        return Node::Tuple { name: Some(name), items };
    }
    let field = |(index, member): (usize, &crate::dwarf::Member)| Field {
        name: member.name.as_deref().unwrap_or("?").to_owned(),
        value: shower.member(&inner, index, depth),
    };
    Node::Variant { name, fields: fields.members.iter().enumerate().map(field).collect() }
}

/// How far an asynchronous function or block has come. The compiler has a variant for each place where it can wait.
fn async_state(path: &[String], variant: &str, line: Option<u32>) -> String {
    let function = path.len().checked_sub(2).and_then(|at| path.get(at));
    let function = function.map_or("?", String::as_str);
    let state = match (variant, line) {
        ("Unresumed", _) => "not begun".to_owned(),
        ("Returned", _) => "returned".to_owned(),
        ("Panicked", _) => "panicked".to_owned(),
        (_, Some(line)) => format!("awaits at line {line}"),
        (other, None) => other.to_owned(),
    };
    format!("async {function} ({state})")
}

/// `&str` and slices: a pointer and a length.
fn slice(shower: &Shower<'_>, value: &Value, fields: &Fields, depth: usize) -> Option<Node> {
    let names: Vec<&str> =
        fields.members.iter().filter_map(|member| member.name.as_deref()).collect();
    if names != ["data_ptr", "length"] {
        return None;
    }
    let space = shower.space;
    let len = super::walk::number(value, "length", space)?;
    let pointer = value.field("data_ptr", space).ok()?;
    let name = value.type_name();
    let is_byte = || match pointer.kind() {
        Kind::Pointer { to, .. } => value.info().size_of(to) == Some(1),
        _ => false,
    };
    if (name.ends_with("str") || name.ends_with("str>") || name.contains("str, ")) && is_byte() {
        let some = len.min(shower.limits.text);
        let data = pointer.deref(space).ok()?;
        return Some(match data.stored.read(0, some, space) {
            Ok(bytes) => match text_node(&bytes, some < len) {
                Node::Text { text, more, .. } => Node::Text { text, len, more },
                other => other,
            },
            Err(why) => Node::Missing(why.to_string()),
        });
    }
    if depth == 0 {
        return Some(Node::Cut);
    }
    let from = shower.from(depth).min(len);
    let mut items = Vec::new();
    for index in (from..len).take(usize::try_from(shower.limits.items).unwrap_or(usize::MAX)) {
        items.push(shower.shown(&pointer.element(index.into(), space).ok()?, depth - 1));
    }
    Some(Node::List { label: None, len: len - from, cap: None, items })
}

/// What is in the variant that a value of a sum type is.
pub(super) fn held_by(value: &Value, space: &dyn Space) -> Option<Value> {
    let chosen = chosen_of(value, space)?;
    value.placed(&chosen.member.place, chosen.member.ty, space).ok()
}

/// The variant that a value of a sum type is.
pub(super) fn chosen_of(value: &Value, space: &dyn Space) -> Option<Variant> {
    let Kind::Fields(fields) = value.kind() else { return None };
    let variants = fields.variants.as_ref()?;
    match &variants.discriminant {
        None => variants.choices.first().cloned(),
        Some(member) => {
            let number = value.placed(&member.place, member.ty, space).ok()?;
            choose(&variants.choices, &number.bytes(space).ok()?).cloned()
        }
    }
}
