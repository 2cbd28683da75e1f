//! The entries of maps.

use std::sync::Arc;

use retake_model::Addr;

use super::table::Shape;
use super::walk::{address, number, parameter, walk};
use crate::dwarf::{Info, Kind, TypeId};
use crate::space::Space;
use crate::value::Value;

/// Nodes of a map that are gone through.
const MAX_NODES: u64 = 1 << 16;
/// Levels of a tree.
const MAX_DEPTH: usize = 64;
/// The head of a node of a tree of libstdc++: color and three links.
const TREE_HEAD: u64 = 32;
/// Keys in a node of a B-tree of Rust.
const B_KEYS: u64 = 11;

/// Some entries of a map; sets have no values.
pub(super) struct Entries {
    pub(super) len: u64,
    pub(super) pairs: Vec<(Value, Option<Value>)>,
}

/// Some of the entries of a map; none if its type is not as the shape says.
pub(super) fn entries(
    value: &Value,
    shape: Shape,
    space: &dyn Space,
    from: u64,
    limit: u64,
) -> Option<Entries> {
    let limit = usize::try_from(limit.min(MAX_NODES)).ok()?;
    let take = Take { from, limit };
    match shape {
        Shape::Tree { .. } => tree(value, space, take),
        Shape::Chain { .. } => chain(value, space, take),
        Shape::Swiss { .. } => swiss(value, space, take),
        Shape::BTree { .. } => b_tree(value, space, take),
        _ => None,
    }
}

/// Which part of the entries is wanted.
#[derive(Clone, Copy)]
struct Take {
    from: u64,
    limit: usize,
}

impl Take {
    fn wants(self, seen: u64, taken: usize) -> bool {
        seen >= self.from && taken < self.limit
    }

    fn is_done(self, taken: usize) -> bool {
        taken >= self.limit
    }
}

/// A pair, or a key alone.
fn split(pair: Value, space: &dyn Space) -> (Value, Option<Value>) {
    match (pair.field("first", space), pair.field("second", space)) {
        (Ok(key), Ok(value)) => (key, Some(value)),
        _ => (pair, None),
    }
}

fn of_type(info: &Arc<Info>, ty: TypeId, addr: u64) -> Value {
    Value::at(Arc::clone(info), ty, Addr::new(addr))
}

/// `std::map` and its like (bits/stl_tree.h): nodes are a head, then the value.
fn tree(value: &Value, space: &dyn Space, take: Take) -> Option<Entries> {
    let inner = walk(value, "_M_t", space)?;
    let element = parameter(&inner, "_Val").or_else(|| parameter(&inner, "1"))?;
    let len = number(&inner, "_M_impl._M_node_count", space)?;
    let head = walk(&inner, "_M_impl._M_header", space)?.addr()?.get();
    let link = |node: u64, index: u64| space.word(Addr::new(node.wrapping_add(8 * index))).ok();
    // Parent, left and right come behind the color.
    let (parent, left, right) = (1, 2, 3);
    let mut at = link(head, left)?;
    let (mut pairs, mut seen) = (Vec::new(), 0);
    while at != head && at != 0 && seen < len.min(MAX_NODES) && !take.is_done(pairs.len()) {
        if take.wants(seen, pairs.len()) {
            let pair = of_type(value.info(), element, at.wrapping_add(TREE_HEAD));
            pairs.push(split(pair, space));
        }
        seen += 1;
        // The next one in order.
        at = match link(at, right)? {
            0 => {
                let (mut child, mut up) = (at, link(at, parent)?);
                let mut steps = 0;
                while up != head && link(up, right)? == child && steps < MAX_DEPTH {
                    (child, up) = (up, link(up, parent)?);
                    steps += 1;
                }
                up
            }
            mut down => {
                let mut steps = 0;
                while steps < MAX_DEPTH {
                    match link(down, left)? {
                        0 => break,
                        next => down = next,
                    }
                    steps += 1;
                }
                down
            }
        };
    }
    Some(Entries { len, pairs })
}

/// `std::unordered_map` and its like (bits/hashtable.h): one list of nodes, a link and then the value.
fn chain(value: &Value, space: &dyn Space, take: Take) -> Option<Entries> {
    let inner = walk(value, "_M_h", space)?;
    let element = parameter(&inner, "_Value").or_else(|| parameter(&inner, "1"))?;
    let len = number(&inner, "_M_element_count", space)?;
    let mut at = address(&inner, "_M_before_begin._M_nxt", space)?;
    let (mut pairs, mut seen) = (Vec::new(), 0);
    while !at.is_null() && seen < len.min(MAX_NODES) && !take.is_done(pairs.len()) {
        if take.wants(seen, pairs.len()) {
            let pair = of_type(value.info(), element, at.get().wrapping_add(8));
            pairs.push(split(pair, space));
        }
        seen += 1;
        at = Addr::new(space.word(at).ok()?);
    }
    Some(Entries { len, pairs })
}

/// A table of hashbrown: entries lie below the control bytes, the first next to them.
fn swiss(value: &Value, space: &dyn Space, take: Take) -> Option<Entries> {
    let table = find_table(value, space)?;
    let element = parameter(&table, "T")?;
    let len = number(&table, "table.items", space)?;
    let mask = number(&table, "table.bucket_mask", space)?;
    let control = address(&table, "table.ctrl.pointer", space)?;
    let size = value.info().size_of(element)?;
    let (mut pairs, mut seen) = (Vec::new(), 0);
    let mut index = 0_u64;
    while seen < len && index <= mask && index < MAX_NODES * 8 && !take.is_done(pairs.len()) {
        let mut bytes = [0xff; 64];
        let group = usize::try_from((mask - index).saturating_add(1).min(64)).ok()?;
        let at = Addr::new(control.get().wrapping_add(index));
        space.read_all(at, bytes.get_mut(..group)?).ok()?;
        for (skip, byte) in (0..).zip(bytes.iter().take(group)) {
            // The highest bit is set where there is nothing.
            if byte & 0x80 != 0 || seen >= len {
                continue;
            }
            if take.wants(seen, pairs.len()) {
                let below = size.wrapping_mul(index + skip + 1);
                let entry = of_type(value.info(), element, control.get().wrapping_sub(below));
                pairs.push(key_and_value(entry, space));
            }
            seen += 1;
        }
        index += 64;
    }
    Some(Entries { len, pairs })
}

/// A tuple of key and value; of a set the value is `()`.
fn key_and_value(entry: Value, space: &dyn Space) -> (Value, Option<Value>) {
    match (entry.field("__0", space), entry.field("__1", space)) {
        (Ok(key), Ok(value)) if value.size() == Some(0) => (key, None),
        (Ok(key), Ok(value)) => (key, Some(value)),
        _ => (entry, None),
    }
}

/// The `RawTable` in a map or a set, however many layers are around it.
fn find_table(value: &Value, space: &dyn Space) -> Option<Value> {
    let mut at = value.clone();
    for _ in 0..6 {
        if walk(&at, "table.bucket_mask", space).is_some() {
            return Some(at);
        }
        at = ["base", "map", "table"].iter().find_map(|name| at.field(name, space).ok())?;
    }
    None
}

/// A B-tree of Rust (alloc/src/collections/btree/node.rs): keys and values of a leaf, behind which inner
/// nodes have their edges.
fn b_tree(value: &Value, space: &dyn Space, take: Take) -> Option<Entries> {
    let map = if walk(value, "length", space).is_some() {
        value.clone()
    } else {
        walk(value, "map", space)?
    };
    let (key, held) = (parameter(&map, "K")?, parameter(&map, "V")?);
    let len = number(&map, "length", space)?;
    if len == 0 {
        return Some(Entries { len, pairs: Vec::new() });
    }
    let root = walk(&map, "root", space)?;
    // `Option<NodeRef>`: the node is in the variant that is not empty.
    let node = super::enums::held_by(&root, space)?;
    let node = walk(&node, "__0", space).unwrap_or(node);
    let height = number(&node, "height", space)?;
    let pointer = walk(&node, "node..pointer", space)?;
    let Kind::Pointer { to: leaf, .. } = pointer.kind() else { return None };
    let at = pointer.address(space).ok()?;
    let tree = BTree { info: value.info(), leaf, key, held, space, take };
    let mut found = Collected::default();
    tree.collect(at, height.min(MAX_DEPTH as u64), &mut found);
    Some(Entries { len, pairs: found.pairs })
}

#[derive(Default)]
struct Collected {
    pairs: Vec<(Value, Option<Value>)>,
    seen: u64,
    nodes: u64,
}

struct BTree<'t> {
    info: &'t Arc<Info>,
    leaf: TypeId,
    key: TypeId,
    held: TypeId,
    space: &'t dyn Space,
    take: Take,
}

impl BTree<'_> {
    fn collect(&self, at: Addr, height: u64, found: &mut Collected) -> Option<()> {
        found.nodes += 1;
        if found.nodes > MAX_NODES {
            return None;
        }
        let leaf = Value::at(Arc::clone(self.info), self.leaf, at);
        let count = number(&leaf, "len", self.space)?.min(B_KEYS);
        let keys = walk(&leaf, "keys", self.space)?.addr()?;
        let values = walk(&leaf, "vals", self.space)?.addr()?;
        let size = self.info.size_of(self.leaf)?;
        let (key_size, held_size) = (self.info.size_of(self.key)?, self.info.size_of(self.held)?);
        let child = |index: u64| {
            let edges = at.get().wrapping_add(size.next_multiple_of(8));
            self.space.word(Addr::new(edges.wrapping_add(8 * index))).ok().map(Addr::new)
        };
        for index in 0..=count {
            if self.take.is_done(found.pairs.len()) {
                return Some(());
            }
            if let Some(height) = height.checked_sub(1) {
                self.collect(child(index)?, height, found)?;
            }
            if index == count {
                break;
            }
            if self.take.wants(found.seen, found.pairs.len()) {
                let at = |start: Addr, size: u64| start.get().wrapping_add(size * index);
                let key = of_type(self.info, self.key, at(keys, key_size));
                let held = of_type(self.info, self.held, at(values, held_size));
                found.pairs.push((key, (held_size > 0).then_some(held)));
            }
            found.seen += 1;
        }
        Some(())
    }
}
