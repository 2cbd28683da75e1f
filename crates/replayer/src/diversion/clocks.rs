//! What clocks said last before a moment.

use std::collections::BTreeMap;

use retake_abi::{args_of, nr};
use retake_model::{EventIndex, Position, SyscallNo};
use retake_recording::{Effect, Event, EventKind, Recording};

use crate::failure::Failure;

/// So many events back a clock is looked for.
const WINDOW: u64 = 100_000;
/// `struct timespec` and `struct timeval`.
const TIME_LEN: usize = 16;

/// A clock: the call that reads it, and which one of the call's.
type Clock = (SyscallNo, Option<u64>);
/// What it said.
type Time = [u8; TIME_LEN];

/// Answers that were recorded before a moment. The events before it are read once, and only as far back as an
/// answer is.
#[derive(Debug)]
pub(super) struct Clocks {
    said: BTreeMap<Clock, Time>,
    /// Events from this one on were looked at.
    from: u64,
    /// No earlier one is.
    first: u64,
}

impl Clocks {
    /// Those before `position`.
    pub(super) fn before(position: Position) -> Self {
        let from = position.event().get();
        Self { said: BTreeMap::new(), from, first: from.saturating_sub(WINDOW) }
    }

    /// What a clock said last, if it was asked not too long before.
    pub(super) fn last(
        &mut self,
        recording: &Recording,
        clock: Clock,
    ) -> Result<Option<Time>, Failure> {
        while !self.said.contains_key(&clock) && self.from > self.first {
            self.from -= 1;
            let event = recording.event(EventIndex::new(self.from))?;
            if let Some((asked, time)) = answer(&event) {
                self.said.entry(asked).or_insert(time);
            }
        }
        Ok(self.said.get(&clock).copied())
    }
}

/// The clock that an event read, and what it said.
fn answer(event: &Event) -> Option<(Clock, Time)> {
    let EventKind::Syscall { no } = event.kind else { return None };
    let clock = match no {
        nr::CLOCK_GETTIME => Some(args_of(no, &event.before)[0]),
        nr::GETTIMEOFDAY => None,
        _ => return None,
    };
    let time = event.effects.iter().find_map(|effect| match effect {
        Effect::Write { bytes, .. } => bytes.first_chunk().copied(),
        _ => None,
    });
    time.map(|time| ((no, clock), time))
}
