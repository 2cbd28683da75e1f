//! Maps of Go, as they were until Go 1.23 (runtime/map.go) and since (internal/runtime/maps).

use std::sync::Arc;

use retake_model::Addr;

use super::go::is_map;
use super::maps::Entries;
use super::walk::{address, number, walk};
use crate::dwarf::{Info, Kind, TypeId};
use crate::space::Space;
use crate::value::Value;

/// Elements of a bucket or of a group.
const BUCKET: u64 = 8;
/// Smaller numbers in `tophash` mean that there is nothing (`minTopHash`).
const MIN_TOP_HASH: u8 = 5;
/// In a control byte: there is nothing, or no longer.
const NOTHING: u8 = 0x80;
/// Buckets, groups and tables of a map that are gone through.
const MAX_BUCKETS: u64 = 1 << 16;

/// Some entries of a map; none if it is no map.
pub(super) fn entries(value: &Value, space: &dyn Space, from: u64, limit: u64) -> Option<Entries> {
    if !is_map(value) {
        return None;
    }
    if value.address(space).ok()?.is_null() {
        return Some(Entries { len: 0, pairs: Vec::new() });
    }
    let map = value.deref(space).ok()?;
    let mut found = Found { pairs: Vec::new(), seen: 0, from, limit, left: MAX_BUCKETS };
    let len = match walk(&map, "dirPtr", space) {
        Some(directory) => found.tables(&map, &directory, space),
        None => found.buckets(&map, space),
    };
    Some(Entries { len: len?, pairs: found.pairs })
}

/// Entries that were come to.
struct Found {
    pairs: Vec<(Value, Option<Value>)>,
    seen: u64,
    from: u64,
    limit: u64,
    /// Buckets or groups that may still be looked at.
    left: u64,
}

impl Found {
    fn is_full(&self) -> bool {
        self.pairs.len() as u64 >= self.limit
    }

    fn add(&mut self, key: Option<Value>, held: Option<Value>) -> Option<()> {
        if self.seen >= self.from && !self.is_full() {
            self.pairs.push((key?, Some(held?)));
        }
        self.seen += 1;
        Some(())
    }

    /// The buckets of a map, until Go 1.23 (runtime/map.go); how many entries there are.
    fn buckets(&mut self, map: &Value, space: &dyn Space) -> Option<u64> {
        let len = number(map, "count", space)?;
        let shift = number(map, "B", space)?.min(40);
        let buckets = walk(map, "buckets", space)?;
        let old = walk(map, "oldbuckets", space)?;
        let Kind::Pointer { to: bucket, .. } = buckets.kind() else { return None };
        // While the map grows, what was not moved yet is in the old buckets.
        let old_count = match old.address(space).ok()?.is_null() {
            true => 0,
            false => (1_u64 << shift) / if number(map, "flags", space)? & 8 != 0 { 1 } else { 2 },
        };
        for (from, count) in [(&old, old_count), (&buckets, 1 << shift)] {
            let start = from.address(space).ok()?;
            // The buckets of an empty map are made when they are first needed.
            if start.is_null() {
                continue;
            }
            let size = map.info().size_of(bucket)?;
            for index in 0..count.min(MAX_BUCKETS) {
                let at = Addr::new(start.get().wrapping_add(size.wrapping_mul(index)));
                let first = Value::at(Arc::clone(map.info()), bucket, at);
                self.chain(first, space)?;
                if self.is_full() {
                    break;
                }
            }
        }
        Some(len)
    }

    /// A bucket and those that it overflows into.
    fn chain(&mut self, first: Value, space: &dyn Space) -> Option<()> {
        let mut at = first;
        loop {
            self.left = self.left.checked_sub(1)?;
            let top = walk(&at, "tophash", space)?.bytes(space).ok()?;
            let (keys, values) = (walk(&at, "keys", space)?, walk(&at, "values", space)?);
            for index in 0..BUCKET {
                let hash = top.get(usize::try_from(index).ok()?).copied()?;
                if hash < MIN_TOP_HASH {
                    continue;
                }
                let key = keys.element(index.into(), space).ok();
                self.add(key, values.element(index.into(), space).ok())?;
            }
            let next = walk(&at, "overflow", space)?;
            let addr = next.address(space).ok()?;
            if addr.is_null() {
                return Some(());
            }
            let ty = at.ty;
            at = Value::at(Arc::clone(at.info()), ty, addr);
        }
    }

    /// The tables of a map, since Go 1.24; how many entries there are.
    fn tables(&mut self, map: &Value, directory: &Value, space: &dyn Space) -> Option<u64> {
        let info = map.info();
        let len = number(map, "used", space)?;
        let at = directory.address(space).ok()?;
        let table = target(info, target(info, directory.ty)?)?;
        let group = target(info, member(info, member(info, table, "groups")?, "data")?)?;
        let count = number(map, "dirLen", space)?;
        if count == 0 {
            // A small map is one group.
            if !at.is_null() {
                self.group(&Value::at(Arc::clone(info), group, at), space)?;
            }
            return Some(len);
        }
        let mut last = Addr::new(0);
        for index in 0..count.min(MAX_BUCKETS) {
            let word = Addr::new(at.get().wrapping_add(index.wrapping_mul(8)));
            let at = Addr::new(space.word(word).ok()?);
            // A table stands at several places of the directory, next to each other.
            if at == last {
                continue;
            }
            last = at;
            let table = Value::at(Arc::clone(info), table, at);
            let first = address(&table, "groups.data", space)?;
            let mask = number(&table, "groups.lengthMask", space)?;
            let size = info.size_of(group)?;
            for index in 0..=mask {
                if self.is_full() {
                    return Some(len);
                }
                let at = Addr::new(first.get().wrapping_add(size.wrapping_mul(index)));
                self.group(&Value::at(Arc::clone(info), group, at), space)?;
            }
        }
        Some(len)
    }

    /// Eight places, with a control byte for each.
    fn group(&mut self, group: &Value, space: &dyn Space) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        let control = number(group, "ctrl", space)?.to_le_bytes();
        let slots = walk(group, "slots", space)?;
        for (index, byte) in (0..BUCKET).zip(control) {
            if byte & NOTHING == 0 {
                let slot = slots.element(index.into(), space).ok()?;
                self.add(walk(&slot, "key", space), walk(&slot, "elem", space))?;
            }
        }
        Some(())
    }
}

/// What a pointer type points to.
fn target(info: &Arc<Info>, pointer: TypeId) -> Option<TypeId> {
    match info.plain(pointer).1?.kind {
        Kind::Pointer { to, .. } => Some(to),
        _ => None,
    }
}

/// The type of a field.
fn member(info: &Arc<Info>, ty: TypeId, name: &str) -> Option<TypeId> {
    let ty = info.plain(ty).1?;
    let Kind::Fields(fields) = &ty.kind else { return None };
    let found = fields.members.iter().find(|member| member.name.as_deref() == Some(name))?;
    Some(found.ty)
}
