//! Events in a chunk: how they are put and taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use retake_model::{Registers, TaskId};

use crate::codec::{put, put_registers, take, take_registers};
use crate::events::effects::EffectBuffer;
use crate::events::event::{Event, EventKind};

/// Events that are not on disk yet. A chunk stands for itself: the first event of each task in it
/// has its registers in full.
#[derive(Debug, Default)]
pub(crate) struct OpenChunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) first: u64,
    pub(crate) count: u32,
    last: BTreeMap<TaskId, Registers>,
}

impl OpenChunk {
    pub(crate) fn starting_at(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    pub(crate) fn put(
        &mut self,
        task: TaskId,
        kind: &EventKind,
        before: &Registers,
        after: &Registers,
        effects: &EffectBuffer,
    ) {
        let base = self.last.get(&task).copied().unwrap_or_default();
        put(&task, &mut self.bytes);
        put(kind, &mut self.bytes);
        put_registers(&base, before, &mut self.bytes);
        put_registers(before, after, &mut self.bytes);
        put(&effects.len(), &mut self.bytes);
        self.bytes.extend_from_slice(effects.encoded());
        self.last.insert(task, *after);
        self.count += 1;
    }
}

/// The events of a chunk, decoded one after the other.
#[derive(Debug, Default)]
pub(crate) struct ChunkEvents {
    bytes: Arc<Vec<u8>>,
    /// Up to here they are taken.
    at: usize,
    left: u32,
    last: BTreeMap<TaskId, Registers>,
}

impl ChunkEvents {
    /// The events in the bytes of a chunk, which says how many they are.
    pub(crate) fn new(bytes: Arc<Vec<u8>>, count: u32) -> Self {
        Self { bytes, at: 0, left: count, last: BTreeMap::new() }
    }

    /// The next one, in place of another. `None` if there is none, or it cannot be decoded.
    pub(crate) fn take(&mut self, event: &mut Event) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        let mut bytes = self.bytes.get(self.at..)?;
        event.task = take(&mut bytes)?;
        event.kind = take(&mut bytes)?;
        let last = self.last.entry(event.task).or_default();
        event.before = take_registers(last, &mut bytes)?;
        event.after = take_registers(&event.before, &mut bytes)?;
        *last = event.after;
        let n: u32 = take(&mut bytes)?;
        event.effects.clear();
        for _ in 0..n {
            event.effects.push(take(&mut bytes)?);
        }
        if self.left == 0 && !bytes.is_empty() {
            return None;
        }
        self.at = self.bytes.len() - bytes.len();
        Some(())
    }

    /// Whether all are taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.left == 0
    }
}
