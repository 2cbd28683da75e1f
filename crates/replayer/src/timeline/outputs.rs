//! Where a text appears in the program's output. A recording keeps hashes of that only, so it is replayed: as
//! far as somebody wants to know.

use std::time::Duration;

use retake_execution::Direction;
use retake_model::EventIndex;
use retake_ptrace::monotonic;
use retake_recording::Stream;

use super::Timeline;
use super::snapshots::Snapshots;
use crate::failure::Failure;
use crate::run::Step;
use crate::thread::ReplayThread;

/// Whoever has found a text looks so much further, for whoever asks next.
const FURTHER: Duration = Duration::from_millis(100);

/// A search for a text.
#[derive(Debug)]
pub(super) struct OutputSearch {
    text: Vec<u8>,
    /// At these events its last byte was written.
    found: Vec<EventIndex>,
    /// Events before this one have been looked at.
    until: EventIndex,
    /// The ends of what was written, which the text may begin in.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl OutputSearch {
    fn new(text: &[u8], from: EventIndex) -> Self {
        let (found, stdout, stderr) = (Vec::new(), Vec::new(), Vec::new());
        Self { text: text.to_vec(), found, until: from, stdout, stderr }
    }

    /// An event writes something.
    fn written(&mut self, event: EventIndex, stream: Stream, bytes: &[u8]) {
        let tail = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        tail.extend_from_slice(bytes);
        let len = self.text.len();
        if tail.windows(len).any(|window| window == self.text) && self.found.last() != Some(&event)
        {
            self.found.push(event);
        }
        // Less than the text: what was found in it is not found again.
        tail.drain(..tail.len().saturating_sub(len.saturating_sub(1)));
    }

    fn first_from(&self, from: EventIndex) -> Option<EventIndex> {
        self.found.get(self.found.partition_point(|event| *event < from)).copied()
    }

    fn last_before(&self, end: EventIndex) -> Option<EventIndex> {
        let before = self.found.partition_point(|event| *event < end);
        before.checked_sub(1).and_then(|last| self.found.get(last)).copied()
    }
}

impl Timeline {
    /// The next event at which the last byte of a text is written. What is not nearer than `best` does not
    /// matter.
    pub(super) fn find_output(
        &mut self,
        direction: Direction,
        from: EventIndex,
        text: &[u8],
        best: Option<EventIndex>,
    ) -> Result<Option<EventIndex>, Failure> {
        if text.is_empty() {
            return Ok(None);
        }
        let known = self.outputs.iter().position(|search| search.text == text);
        let mut search = match known {
            Some(known) => self.outputs.swap_remove(known),
            None => OutputSearch::new(text, self.start.event()),
        };
        let end = self.last_moment.next();
        let wanted = match direction {
            Direction::Forward => best.unwrap_or(end).min(end),
            Direction::Backward => from.min(end),
        };
        let is_known = direction == Direction::Forward && search.first_from(from).is_some();
        let looked =
            if is_known { Ok(()) } else { self.look_on(&mut search, direction, from, wanted) };
        let found = match direction {
            Direction::Forward => search.first_from(from),
            Direction::Backward => search.last_before(from),
        };
        // What failed on the way may have been half seen.
        if matches!(looked, Ok(()) | Err(Failure::Interrupted)) {
            self.outputs.push(search);
        }
        looked.map(|()| found)
    }

    /// Looks on, up to the first event from `from` on, and not further than `wanted`.
    fn look_on(
        &self,
        search: &mut OutputSearch,
        direction: Direction,
        from: EventIndex,
        wanted: EventIndex,
    ) -> Result<(), Failure> {
        if search.until >= wanted {
            return Ok(());
        }
        let thread = ReplayThread::start(&self.recording);
        let (recording, control) = (self.recording.clone(), self.control.clone());
        let mut scout = Self::nowhere(recording, control, thread, Snapshots::none());
        let _as_in_the_program = self.thread.traps();
        scout.bring_to_event(search.until)?;
        let mut found_at = None;
        while search.until < wanted {
            let event = scout.machine.done();
            let step =
                scout.machine.step(&mut |stream, bytes| search.written(event, stream, bytes));
            if step? == Step::End {
                break;
            }
            search.until = scout.machine.done();
            if direction == Direction::Forward && search.first_from(from).is_some() {
                let since = *found_at.get_or_insert_with(monotonic);
                if monotonic().saturating_sub(since) >= FURTHER {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_may_be_in_several_writes_of_one_stream() {
        let mut search = OutputSearch::new(b"abc", EventIndex::new(1));
        let writes: [(u64, Stream, &[u8]); 7] = [
            (3, Stream::Stdout, b"xxa"),
            (4, Stream::Stderr, b"bc"),
            (5, Stream::Stdout, b"b"),
            (6, Stream::Stdout, b"cabcab"),
            (7, Stream::Stdout, b"x"),
            (8, Stream::Stderr, b"abcabc"),
            (9, Stream::Stderr, b"c"),
        ];
        for (event, stream, bytes) in writes {
            search.written(EventIndex::new(event), stream, bytes);
        }
        assert_eq!(search.found, [6, 8].map(EventIndex::new));
        assert_eq!(search.first_from(EventIndex::new(7)), Some(EventIndex::new(8)));
        assert_eq!(search.first_from(EventIndex::new(9)), None);
        assert_eq!(search.last_before(EventIndex::new(8)), Some(EventIndex::new(6)));
        assert_eq!(search.last_before(EventIndex::new(6)), None);
    }
}
