//! The events that come next, already read.

use std::collections::VecDeque;

use retake_model::EventIndex;
use retake_recording::{Event, EventCursor, RecordingError};

/// So many are kept to be read into again.
const MOST_SPARE: usize = 1024;

/// Events from the next one on, as far as somebody has asked for them. An event is some 600 bytes: it stays where it was
/// read to.
#[derive(Debug)]
pub(crate) struct Ahead {
    cursor: EventCursor,
    #[expect(clippy::vec_box, reason = "what is moved is a pointer")]
    spare: Vec<Box<(EventIndex, Event)>>,
    events: VecDeque<Box<(EventIndex, Event)>>,
}

impl Ahead {
    /// From where `cursor` is.
    pub(crate) fn new(cursor: EventCursor) -> Self {
        Self { cursor, spare: Vec::new(), events: VecDeque::new() }
    }

    /// The event after the next `n`, if there is one.
    pub(crate) fn peek(
        &mut self,
        n: usize,
    ) -> Result<Option<&(EventIndex, Event)>, RecordingError> {
        while self.events.len() <= n {
            let blank = || Box::new((EventIndex::ZERO, Event::blank()));
            let mut next = self.spare.pop().unwrap_or_else(blank);
            if !self.cursor.read(&mut next)? {
                return Ok(None);
            }
            self.events.push_back(next);
        }
        Ok(self.get(n))
    }

    /// The same, if it was asked for before.
    pub(crate) fn get(&self, n: usize) -> Option<&(EventIndex, Event)> {
        self.events.get(n).map(Box::as_ref)
    }

    /// The next `n` have taken effect.
    pub(crate) fn pass(&mut self, n: usize) {
        let passed = self.events.drain(..n.min(self.events.len()));
        self.spare.extend(passed.take(MOST_SPARE.saturating_sub(self.spare.len())));
    }
}
