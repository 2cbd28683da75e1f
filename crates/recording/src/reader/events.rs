//! Going through events.

use retake_model::EventIndex;

use super::{Recording, payload};
use crate::codec::Frame;
use crate::error::RecordingError;
use crate::events::chunk::ChunkEvents;
use crate::events::event::Event;
use crate::names;

/// Goes through events in order. Holds the recording: it can be sent to a thread.
#[derive(Debug)]
pub struct EventCursor {
    recording: Recording,
    next: u64,
    /// What follows of the chunk that is being read.
    chunk: ChunkEvents,
}

impl EventCursor {
    pub(super) fn new(recording: Recording, from: EventIndex) -> Self {
        Self { recording, next: from.get(), chunk: ChunkEvents::default() }
    }

    /// Makes the chunk with the next event the one that is read; gives its first event.
    fn unpack(&mut self) -> Option<u64> {
        let inner = &self.recording.inner;
        let nth = inner.chunks.partition_point(|(frame, _)| frame.first <= self.next);
        let nth = nth.checked_sub(1)?;
        let (Frame { first, count, .. }, _) = *inner.chunks.get(nth)?;
        let bytes = inner.unpacker.chunk(nth, |nth| {
            let (frame, at) = *inner.chunks.get(nth)?;
            Some((frame, payload(&inner.events, &frame, at)?))
        })?;
        self.chunk = ChunkEvents::new(bytes, count);
        Some(first)
    }

    fn take(&mut self, event: &mut Event) -> Option<()> {
        if self.chunk.is_empty() {
            let first = self.unpack()?;
            for _ in first..self.next {
                self.chunk.take(event)?;
            }
        }
        self.chunk.take(event)
    }

    /// Reads the next event in place of another. False if there is none.
    ///
    /// # Errors
    /// When it is damaged; nothing is read from there on.
    pub fn read(
        &mut self,
        (index, event): &mut (EventIndex, Event),
    ) -> Result<bool, RecordingError> {
        if self.next >= self.recording.inner.event_count {
            return Ok(false);
        }
        if self.take(event).is_none() {
            let path = self.recording.dir().join(names::EVENTS.0);
            let what = format!("the chunk of event {} cannot be decoded", self.next);
            self.next = u64::MAX;
            return Err(RecordingError::damaged("read", &path, what));
        }
        *index = EventIndex::new(self.next);
        self.next += 1;
        Ok(true)
    }
}

impl Iterator for EventCursor {
    type Item = Result<(EventIndex, Event), RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut next = (EventIndex::ZERO, Event::blank());
        match self.read(&mut next) {
            Ok(true) => Some(Ok(next)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
