//! Altering a recording with its checksums made right again: for tests of what replay notices, and
//! for repair. The recording must be finished and not open elsewhere.

use std::fs;
use std::path::Path;

use retake_model::{CheckpointIndex, EventIndex, PageAddr, PageId, SpaceId};

use crate::checkpoints::checkpoint::Checkpoint;
use crate::codec::{file_header, pack, put};
use crate::error::RecordingError;
use crate::events::chunk::OpenChunk;
use crate::events::effects::EffectBuffer;
use crate::events::event::Event;
use crate::names;
use crate::pages::page_id;
use crate::reader::Recording;

/// Events in a rewritten chunk.
const CHUNK_EVENTS: u32 = 1000;

fn replace(
    dir: &Path,
    (name, kind): (&str, [u8; 6]),
    frames: &[Vec<u8>],
) -> Result<(), RecordingError> {
    let path = dir.join(name);
    let mut bytes = file_header(kind).to_vec();
    bytes.extend(frames.iter().flatten());
    // A new file, not the old one changed: whoever has the old one mapped keeps it.
    let temp = dir.join("rewrite.new");
    fs::write(&temp, bytes)
        .and_then(|()| fs::rename(&temp, &path))
        .map_err(|error| RecordingError::new("rewrite", &path, error))
}

/// Replaces each event by those that `change` gives for it.
///
/// # Errors
/// When the recording cannot be read or written.
pub fn rewrite_events(
    dir: &Path,
    mut change: impl FnMut(EventIndex, Event) -> Vec<Event>,
) -> Result<(), RecordingError> {
    let recording = Recording::open(dir)?;
    let mut frames = Vec::new();
    let mut chunk = OpenChunk::default();
    let close = |chunk: &mut OpenChunk, frames: &mut Vec<Vec<u8>>| {
        let next = chunk.first + u64::from(chunk.count);
        let done = std::mem::replace(chunk, OpenChunk::starting_at(next));
        if done.count > 0 {
            let seq = u32::try_from(frames.len()).unwrap_or(u32::MAX);
            frames.push(pack(seq, done.first, done.count, &done.bytes).map_err(|error| {
                RecordingError::new("rewrite", &dir.join(names::EVENTS.0), error)
            })?);
        }
        Ok::<_, RecordingError>(())
    };
    for event in recording.events(EventIndex::ZERO) {
        let (index, event) = event?;
        for event in change(index, event) {
            let mut effects = EffectBuffer::new();
            for effect in &event.effects {
                effects.push(effect);
            }
            chunk.put(event.task, &event.kind, &event.before, &event.after, &effects);
            if chunk.count >= CHUNK_EVENTS {
                close(&mut chunk, &mut frames)?;
            }
        }
    }
    close(&mut chunk, &mut frames)?;
    replace(dir, names::EVENTS, &frames)
}

/// Changes one checkpoint; all are stored complete afterwards, so that no other changes with it.
///
/// # Errors
/// When the recording cannot be read or written.
pub fn rewrite_checkpoint(
    dir: &Path,
    index: CheckpointIndex,
    mut change: impl FnMut(&mut Checkpoint),
) -> Result<(), RecordingError> {
    let recording = Recording::open(dir)?;
    let mut frames = Vec::new();
    for summary in recording.checkpoints() {
        let mut checkpoint = recording.checkpoint(summary.index)?;
        if summary.index == index {
            change(&mut checkpoint);
        }
        let mut raw = Vec::new();
        put(&checkpoint, &mut raw);
        frames.push(pack(summary.index.get(), checkpoint.event.get(), 1, &raw).map_err(
            |error| RecordingError::new("rewrite", &dir.join(names::CHECKPOINTS.0), error),
        )?);
    }
    replace(dir, names::CHECKPOINTS, &frames)
}

/// Gives one page of one checkpoint other contents.
///
/// # Errors
/// When the recording cannot be read or written.
pub fn rewrite_page(
    dir: &Path,
    index: CheckpointIndex,
    space: SpaceId,
    page: PageAddr,
    contents: &[u8; 4096],
) -> Result<PageId, RecordingError> {
    let id = page_id(contents);
    let path = dir.join(names::PAGES.0);
    let failed = |error: std::io::Error| RecordingError::new("rewrite", &path, error);
    let ids = pack(u32::MAX, 0, 1, &id.hash().to_le_bytes()).map_err(failed)?;
    let body = pack(u32::MAX, 1, 1, contents).map_err(failed)?;
    let mut bytes = fs::read(&path).map_err(failed)?;
    bytes.extend(ids);
    bytes.extend(body);
    let temp = dir.join("rewrite.new");
    fs::write(&temp, bytes).and_then(|()| fs::rename(&temp, &path)).map_err(failed)?;
    rewrite_checkpoint(dir, index, |checkpoint| {
        for state in checkpoint.spaces.iter_mut().filter(|state| state.space == space) {
            match state.pages.binary_search_by_key(&page, |(addr, _)| *addr) {
                Ok(at) => state.pages[at].1 = id,
                Err(at) => state.pages.insert(at, (page, id)),
            }
        }
    })?;
    Ok(id)
}
