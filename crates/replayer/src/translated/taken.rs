//! What a task did at calls whose answers it has taken.

use retake_model::{Addr, AddrRange, EventIndex, TaskId};
use retake_recording::{Effect, Event, OutputHash, Stream};
use retake_tracee::fast::{CURSOR, ENTRIES_END, Entry, FastCode};

use crate::failure::Failure;
use crate::machine::{Machine, Sink};

/// Bytes that a call takes from memory.
#[derive(Clone, Copy, Debug)]
struct Output {
    stream: Option<Stream>,
    addr: Addr,
    len: u64,
    hash: u64,
}

fn output(event: &Event) -> Option<Output> {
    event.effects.iter().find_map(|effect| match effect {
        Effect::Output { stream, addr, len, hash } => {
            Some(Output { stream: *stream, addr: *addr, len: *len, hash: *hash })
        }
        _ => None,
    })
}

/// Where the program writes down the calls that it makes from now on.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenDown {
    from: Addr,
    /// The first one there is of an event that took effect already.
    has_one_before: bool,
}

/// What calls write to the standard streams, given to whoever wants it in as few pieces as there can be.
struct Shown<'a> {
    sink: Sink<'a>,
    stream: Option<Stream>,
    bytes: Vec<u8>,
}

impl Shown<'_> {
    fn add(&mut self, stream: Stream, bytes: &[u8]) {
        if self.stream != Some(stream) {
            self.flush();
            self.stream = Some(stream);
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn flush(&mut self) {
        if let Some(stream) = self.stream.take() {
            (self.sink)(stream, &self.bytes);
            self.bytes.clear();
        }
    }
}

/// Calls in a part of the buffer, up to one that is not whole.
struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let parsed = Entry::parse(self.rest);
        self.rest = parsed.map_or(&[], |(_, rest)| rest);
        parsed.map(|(entry, _)| entry)
    }
}

impl Machine {
    /// Where the task writes down the calls that it makes from where it stands.
    pub(super) fn writes_down(
        &mut self,
        id: TaskId,
        code: &FastCode,
    ) -> Result<WrittenDown, Failure> {
        let task = self.task(id)?;
        task.give_back()?;
        let from = Addr::new(task.memory.read_u64(CURSOR)?);
        let has_one_before = code.has_unlogged(task.stopped.registers()?.pc());
        Ok(WrittenDown { from, has_one_before })
    }

    /// The task has taken so many calls.
    pub(super) fn took_supplied(
        &mut self,
        id: TaskId,
        taken: usize,
        down: WrittenDown,
        sink: Sink<'_>,
    ) -> Result<(), Failure> {
        let last = taken.checked_sub(1).and_then(|last| self.ahead.get(last));
        if let Some(after) = last.map(|(_, event)| event.after) {
            self.check_outputs(id, taken, down, sink)?;
            let task = self.task(id)?;
            task.registers = after;
            task.in_syscall = None;
            self.ahead.pass(taken);
            self.done = EventIndex::new(self.done.get() + taken as u64);
            self.arrivals.clear();
        }
        self.count.starts_at_zero(self.done);
        Ok(())
    }

    /// Compares what the next events say that calls took from memory with what the program has written down of
    /// that: its memory may have changed since.
    fn check_outputs(
        &mut self,
        id: TaskId,
        taken: usize,
        down: WrittenDown,
        sink: Sink<'_>,
    ) -> Result<(), Failure> {
        let has_output = |n: &usize| {
            let event = self.ahead.get(*n);
            event.is_some_and(|(_, event)| output(event).is_some())
        };
        let Some(most) = (0..taken).rfind(has_output) else { return Ok(()) };
        let (first, space) = (self.done, self.task(id)?.space);
        let buffer = self.read_written_down(id, down.from)?;
        let mut entries = Entries { rest: &buffer };
        let mut shown = Shown { sink, stream: None, bytes: Vec::new() };
        if down.has_one_before {
            entries.next();
        }
        for n in 0..=most {
            let entry = entries.next();
            let Some((index, event)) = self.ahead.get(n) else { break };
            let Some(output) = output(event) else { continue };
            self.done = *index;
            let place = (output.addr, output.len);
            let Some(data) = entry.and_then(|entry| entry.taken()) else {
                shown.flush();
                // The task stands where it has not come to write this down, right behind the call.
                self.output(id, output.stream, place, output.hash, &mut *shown.sink)?;
                continue;
            };
            let mut masked = Vec::new();
            let mut bytes = data.bytes;
            let range = AddrRange::with_len(data.addr, bytes.len() as u64);
            if range.is_some_and(|range| self.sites.in_range(space, range)) {
                masked.extend_from_slice(bytes);
                self.sites.mask(space, data.addr, &mut masked);
                bytes = &masked;
            }
            if let Some(stream) = output.stream {
                shown.add(stream, bytes);
            }
            let checked = self.check_output(id, place, output.hash, OutputHash::of(bytes));
            if checked.is_err() {
                shown.flush();
            }
            checked?;
        }
        shown.flush();
        self.done = first;
        Ok(())
    }

    /// What the program has written down from `from` on.
    fn read_written_down(&mut self, id: TaskId, from: Addr) -> Result<Vec<u8>, Failure> {
        let memory = &self.task(id)?.memory;
        let to = memory.read_u64(CURSOR)?;
        let is_there = CURSOR.get() <= from.get() && to <= ENTRIES_END.get();
        let len = to.checked_sub(from.get()).filter(|_| is_there);
        let mut buffer = vec![0; len.and_then(|len| usize::try_from(len).ok()).unwrap_or(0)];
        memory.read_exact(from, &mut buffer)?;
        Ok(buffer)
    }
}
