//! Values of Go (runtime/string.go, slice.go, chan.go, runtime2.go).

use std::sync::Arc;

use gimli::DwAt;
use retake_model::Addr;

use super::go_interfaces::interface;
use super::go_maps::entries;
use super::show::{Shower, text_node};
use super::shown::{Node, Shown, Style};
use super::walk::{address, number, walk};
use crate::dwarf::Kind;
use crate::space::Space;
use crate::value::Value;

/// `DW_AT_go_kind`: which of the kinds of `reflect`.
const GO_KIND: DwAt = DwAt(0x2900);
const SLICE: u64 = 23;
const STRING: u64 = 24;
/// Goroutines in one queue of a channel that are counted.
const MAX_WAITING: u64 = 1 << 12;

pub(super) fn name_of(value: &Value) -> String {
    let (_, ty) = value.plain();
    ty.and_then(|ty| ty.name.clone()).map(|name| name.to_string()).unwrap_or_default()
}

/// The kind of a type, whatever name the program gave it (internal/abi/type.go).
fn kind_of(value: &Value) -> Option<u64> {
    let (id, _) = value.plain();
    let (unit, offset) = value.info().find(id)?;
    let entry = unit.unit.entry(offset).ok()?;
    entry.attr_value(GO_KIND).ok()??.udata_value()
}

fn is_string(value: &Value) -> bool {
    kind_of(value) == Some(STRING)
}

fn is_slice(value: &Value) -> bool {
    kind_of(value) == Some(SLICE)
}

/// A string, a slice or an interface.
pub(super) fn structure(shower: &Shower<'_>, value: &Value, depth: usize) -> Option<Node> {
    let space = shower.space;
    let name = name_of(value);
    if is_string(value) {
        let len = number(value, "len", space)?;
        let some = len.min(shower.limits.text);
        let from = address(value, "str", space)?;
        let mut bytes = vec![0; usize::try_from(some).ok()?];
        return Some(match space.read_all(from, &mut bytes) {
            Ok(()) => match text_node(&bytes, some < len) {
                Node::Text { text, more, .. } => Node::Text { text, len, more },
                other => other,
            },
            Err(why) => Node::Missing(why.to_string()),
        });
    }
    if is_slice(value) {
        let (len, cap) = (number(value, "len", space)?, number(value, "cap", space)?);
        if depth == 0 {
            return Some(Node::Cut);
        }
        let from = shower.from(depth).min(len);
        let array = value.field("array", space).ok()?;
        let items = (from..len)
            .take(usize::try_from(shower.limits.items).unwrap_or(usize::MAX))
            .filter_map(|index| array.element(index.into(), space).ok())
            .map(|item| shower.shown(&item, depth - 1))
            .collect();
        // A slice that is nil shows as one without elements.
        let label = Some(name);
        return Some(Node::List { label, len: len - from, cap: Some(cap), items });
    }
    if matches!(name.as_str(), "runtime.iface" | "runtime.eface") {
        return interface(shower, value, depth);
    }
    None
}

/// A map or a channel, which are pointers.
pub(super) fn behind_pointer(
    shower: &Shower<'_>,
    value: &Value,
    addr: Addr,
    depth: usize,
) -> Option<Node> {
    let name = value.type_name();
    let space = shower.space;
    if is_map(value) {
        if addr.is_null() {
            return Some(Node::Plain(format!("{name} nil")));
        }
        let found = entries(value, space, shower.from(depth), shower.limits.items)?;
        if depth == 0 {
            return Some(Node::Cut);
        }
        let entry = |(key, held): (Value, Option<Value>)| {
            let held = held.unwrap_or_else(|| key.clone());
            (shower.shown(&key, depth - 1), shower.shown(&held, depth - 1))
        };
        let entries = found.pairs.into_iter().map(entry).collect();
        return Some(Node::Map { label: name, len: found.len, entries });
    }
    if is_channel(value) {
        if addr.is_null() {
            return Some(Node::Plain(format!("{name} nil")));
        }
        return channel(shower, value, depth);
    }
    None
}

/// A function value: a pointer to a word that is its code's address, behind which is what it captured.
pub(super) fn function(shower: &Shower<'_>, value: &Value) -> Node {
    let space = shower.space;
    let code = value.address(space).and_then(|at| match at.is_null() {
        true => Ok(None),
        false => Ok(Some(Addr::new(space.word(at)?))),
    });
    match code {
        Ok(None) => Node::Plain("nil".to_owned()),
        Ok(Some(code)) => Node::Plain(space.symbol(code).unwrap_or_else(|| code.to_string())),
        Err(err) => Node::Missing(err.to_string()),
    }
}

fn pointee_name(value: &Value) -> String {
    let Kind::Pointer { to, .. } = value.kind() else { return String::new() };
    let (_, ty) = value.info().plain(to);
    ty.and_then(|ty| ty.name.clone()).map(|name| name.to_string()).unwrap_or_default()
}

pub(super) fn is_map(value: &Value) -> bool {
    let name = pointee_name(value);
    name.starts_with("hash<") || name.starts_with("map<") || name.starts_with("map.hdr[")
}

fn is_channel(value: &Value) -> bool {
    pointee_name(value).starts_with("hchan<")
}

/// Elements in a channel's buffer, and who waits.
fn channel(shower: &Shower<'_>, value: &Value, depth: usize) -> Option<Node> {
    let space = shower.space;
    let chan = value.deref(space).ok()?;
    let count = number(&chan, "qcount", space)?;
    let size = number(&chan, "dataqsiz", space)?;
    let closed = number(&chan, "closed", space)?;
    let first = number(&chan, "recvx", space)?;
    // The buffer is a pointer to anything; what waits for an element points to one.
    let element = match walk(&chan, "recvq.first*.elem", space)?.kind() {
        Kind::Pointer { to, .. } => to,
        _ => return None,
    };
    let start = address(&chan, "buf", space)?;
    let each = value.info().size_of(element)?;
    let mut items = Vec::new();
    if depth > 0 {
        for index in 0..count.min(shower.limits.items) {
            let at = first.wrapping_add(index).checked_rem(size).unwrap_or(0);
            let at = Addr::new(start.get().wrapping_add(at.wrapping_mul(each)));
            let item = Value::at(Arc::clone(value.info()), element, at);
            items.push(shower.shown(&item, depth - 1));
        }
    }
    let ty = format!("[]{}", value.info().type_name(element));
    let buffer = Shown {
        ty,
        style: Style::Go,
        node: Node::List { label: Some("buffer".to_owned()), len: count, cap: Some(size), items },
    };
    let mut notes = Vec::new();
    for (name, path) in
        [("waiting to send:", "sendq.first"), ("waiting to receive:", "recvq.first")]
    {
        let waiting = waiting(&chan, path, space);
        if !waiting.is_empty() {
            let text = waiting.iter().map(|id| format!("goroutine {id}"));
            notes.push((name.to_owned(), text.collect::<Vec<_>>().join(", ")));
        }
    }
    if closed != 0 {
        notes.push(("closed".to_owned(), "true".to_owned()));
    }
    let label = value.type_name();
    Some(Node::Wrapped { label, inner: Some(Box::new(buffer)), notes })
}

/// The goroutines in a queue of a channel.
fn waiting(chan: &Value, path: &str, space: &dyn Space) -> Vec<u64> {
    let (mut ids, mut at) = (Vec::new(), walk(chan, path, space));
    while let Some(entry) = at.take().filter(|_| (ids.len() as u64) < MAX_WAITING) {
        if entry.address(space).map_or(true, Addr::is_null) {
            break;
        }
        // What cannot be read is garbage, and so is what follows.
        let Some(id) = number(&entry, "*.g*.goid", space) else { break };
        ids.push(id);
        at = walk(&entry, "*.next", space);
    }
    ids
}

/// The length of a string, a slice, a map or the buffer of a channel.
pub(super) fn length(value: &Value, space: &dyn Space) -> Option<u64> {
    if is_string(value) || is_slice(value) {
        return number(value, "len", space);
    }
    if is_map(value) || is_channel(value) {
        if value.address(space).ok()?.is_null() {
            return Some(0);
        }
        let path = if is_map(value) { "*.count|*.used" } else { "*.qcount" };
        return number(value, path, space);
    }
    None
}

/// The length of a slice or a string, and one of its elements.
pub(super) fn item(value: &Value, index: u64, space: &dyn Space) -> Option<(u64, Option<Value>)> {
    let data = match kind_of(value)? {
        STRING => "str",
        SLICE => "array",
        _ => return None,
    };
    let len = number(value, "len", space)?;
    let inside = index < len;
    let item = || value.field(data, space).ok()?.element(index.into(), space).ok();
    Some((len, inside.then(item).flatten()))
}
