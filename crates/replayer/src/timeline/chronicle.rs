//! What a recording tells of the whole run: its output, its clocks, and its events as strace shows them.

use std::sync::Arc;

use retake_abi::{ReadMemory, nr};
use retake_execution::{Clock, ClockRead, EventText, Printed, StandardStream};
use retake_model::{Addr, EventIndex, TaskId};
use retake_recording::{Effect, Event, EventKind, Stream};

use super::Timeline;
use super::snapshots::Snapshots;
use crate::describe::{describe_event, describe_in};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::run::Step;
use crate::thread::ReplayThread;

/// What the program printed by the first events.
#[derive(Debug)]
pub(super) struct Output {
    pieces: Vec<Printed>,
    /// Events before this one have been replayed.
    until: EventIndex,
}

impl Default for Output {
    fn default() -> Self {
        Self { pieces: Vec::new(), until: EventIndex::ZERO }
    }
}

/// The memory of a task of a replay.
struct Memory<'a>(&'a Machine, TaskId);

impl ReadMemory for Memory<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> bool {
        matches!(self.0.read_some(self.1, addr, buf), Ok(got) if got == buf.len())
    }
}

impl Timeline {
    /// A replay beside this one, at an event.
    fn scout_at(&self, event: EventIndex) -> Result<Self, Failure> {
        let thread = ReplayThread::start(&self.recording);
        let (recording, control) = (self.recording.clone(), self.control.clone());
        let mut scout = Self::nowhere(recording, control, thread, Snapshots::none());
        scout.bring_to_event(event.max(self.start.event()))?;
        Ok(scout)
    }

    pub(super) fn texts_of_events(
        &self,
        from: EventIndex,
        count: usize,
    ) -> Result<Vec<EventText>, Failure> {
        let last = self.recording.event_count();
        if from >= last {
            let what = format!("there is no event {from}: the recording has {last}");
            return Err(Failure::NotFound(what));
        }
        let mut texts = Vec::new();
        // The event that makes the first task comes before any memory.
        let mut next = from;
        while texts.len() < count && next < self.start.event() {
            let text = describe_event(&self.recording.event(next)?);
            texts.push(EventText { event: next, text });
            next = next.next();
        }
        if texts.len() == count || next >= last {
            return Ok(texts);
        }
        let _as_in_the_program = self.thread.traps();
        let mut scout = self.scout_at(next)?;
        while texts.len() < count {
            let Some((index, event)) = scout.machine.peek()?.cloned() else { break };
            if scout.machine.step(&mut super::travel::no_sink)? != Step::Event {
                break;
            }
            let text = describe_in(&event, &Memory(&scout.machine, event.task));
            texts.push(EventText { event: index, text });
        }
        Ok(texts)
    }

    pub(super) fn printed_before(&mut self, until: EventIndex) -> Result<Vec<Printed>, Failure> {
        if self.printed.until < until {
            let mut output = std::mem::take(&mut self.printed);
            let replayed = self.print_on(&mut output, until);
            // What was replayed is whole up to there, also where that ended early.
            self.printed = output;
            replayed?;
        }
        let before = self.printed.pieces.iter().filter(|piece| piece.event < until);
        Ok(before.cloned().collect())
    }

    fn print_on(&self, output: &mut Output, until: EventIndex) -> Result<(), Failure> {
        let _as_in_the_program = self.thread.traps();
        let mut scout = self.scout_at(output.until)?;
        while scout.machine.done() < until {
            let event = scout.machine.done();
            let mut written = Vec::new();
            let step = scout.machine.step(&mut |stream, bytes: &[u8]| {
                let stream = match stream {
                    Stream::Stdout => StandardStream::Output,
                    Stream::Stderr => StandardStream::Error,
                };
                written.push(Printed { event, stream, bytes: bytes.to_vec() });
            })?;
            output.pieces.append(&mut written);
            if step == Step::End {
                output.until = until;
                return Ok(());
            }
            output.until = scout.machine.done();
        }
        Ok(())
    }

    pub(super) fn all_clock_reads(&self) -> Result<Arc<[ClockRead]>, Failure> {
        if let Some(known) = self.clock_reads.get() {
            return Ok(Arc::clone(known));
        }
        let mut reads = Vec::new();
        for event in self.recording.events(EventIndex::ZERO) {
            let (index, event) = event?;
            if let Some((clock, ns)) = clock_read(&event) {
                reads.push(ClockRead { event: index, clock, ns });
            }
        }
        Ok(Arc::clone(self.clock_reads.get_or_init(|| reads.into())))
    }
}

/// Which clock an event reads, and what that says.
fn clock_read(event: &Event) -> Option<(Clock, u64)> {
    let EventKind::Syscall { no } = event.kind else { return None };
    let args = retake_abi::args_of(no, &event.before);
    if no == nr::TIME {
        return Some((Clock::Real, event.after.rax.checked_mul(1_000_000_000)?));
    }
    let (clock, at, nanos) = match no {
        // CLOCK_REALTIME, CLOCK_REALTIME_COARSE; CLOCK_MONOTONIC, _RAW, _COARSE, CLOCK_BOOTTIME
        nr::CLOCK_GETTIME => match args[0] {
            0 | 5 => (Clock::Real, args[1], 1),
            1 | 4 | 6 | 7 => (Clock::Monotonic, args[1], 1),
            _ => return None,
        },
        nr::GETTIMEOFDAY => (Clock::Real, args[0], 1000),
        _ => return None,
    };
    let written = event.effects.iter().find_map(|effect| match effect {
        Effect::Write { addr, bytes } if addr.get() == at && bytes.len() >= 16 => Some(bytes),
        _ => None,
    })?;
    let word = |from: usize| Some(u64::from_le_bytes(*written.get(from..)?.first_chunk()?));
    let seconds = word(0)?.checked_mul(1_000_000_000)?;
    Some((clock, seconds.checked_add(word(8)?.checked_mul(nanos)?)?))
}
