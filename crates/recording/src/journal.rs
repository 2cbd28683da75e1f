//! Events in a chunk: how they are put and taken.

use std::collections::BTreeMap;

use retake_model::{Registers, TaskId};

use crate::codec::{put, put_registers, take, take_registers};
use crate::effects::EffectBuffer;
use crate::event::{Event, EventKind};

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

/// Decodes the events of a chunk.
pub(crate) fn take_events(mut bytes: &[u8], count: u32) -> Option<Vec<Event>> {
    let mut last: BTreeMap<TaskId, Registers> = BTreeMap::new();
    let mut events = Vec::new();
    for _ in 0..count {
        let task: TaskId = take(&mut bytes)?;
        let kind: EventKind = take(&mut bytes)?;
        let base = last.get(&task).copied().unwrap_or_default();
        let before = take_registers(&base, &mut bytes)?;
        let after = take_registers(&before, &mut bytes)?;
        let n: u32 = take(&mut bytes)?;
        let mut effects = Vec::new();
        for _ in 0..n {
            effects.push(take(&mut bytes)?);
        }
        last.insert(task, after);
        events.push(Event { task, kind, before, after, effects });
    }
    bytes.is_empty().then_some(events)
}
