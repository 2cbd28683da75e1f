//! Taking over what the code has written down.

use std::rc::Rc;
use std::time::Duration;

use retake_abi::consts::fcntl::{F_DUPFD, F_DUPFD_CLOEXEC};
use retake_abi::{Errno, nr};
use retake_model::{Addr, Registers};
use retake_ptrace::{Resume, StopEvent, Stopped, monotonic, read_words};
use retake_recording::{Effect, OutputHash, Stream};
use retake_tracee::fast::{CURSOR, ENTRIES_END, Entry, FIRST_ENTRY, FastCode, FdKind};

use crate::book::Book;
use crate::calls::begun::Begun;
use crate::calls::retire::Ended;
use crate::error::RecordError;
use crate::fast::state::Progress;
use crate::next::{Next, resumed};
use crate::places::{Found, run_to};
use crate::session::Session;
use crate::tasks::Task;
use crate::world::World;

/// CPU time in which a task comes to the end of the code.
const PATIENCE: Duration = Duration::from_millis(100);
/// Bytes of an entry that are looked at where it may not be whole.
const HEADER_LEN: usize = 256;

fn stream_of(kind: FdKind) -> Option<Stream> {
    let is = |stream, bit| kind.has(bit).then_some(stream);
    is(Stream::Stdout, FdKind::STDOUT).or_else(|| is(Stream::Stderr, FdKind::STDERR))
}

/// The call that the code of a task was making. Where the code had not come to write them, result and flags are in
/// `registers`.
fn unfinished(
    task: &Task,
    taken: Progress,
    registers: Option<&Registers>,
) -> Option<Entry<'static>> {
    let mut header = [0; HEADER_LEN];
    task.memory.read_exact(taken.cursor, &mut header).ok()?;
    Entry::unfinished(&header, registers)
}

/// What a task is brought to the end of the code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// It was asked to stop.
    Asked,
    /// Its turn ends there.
    TurnEnds,
    /// Another stop, which comes again there.
    Again,
}

impl Progress {
    fn read(task: &Task) -> Option<Self> {
        let mut bytes = [0; 16];
        task.memory.read_exact(CURSOR, &mut bytes).ok()?;
        let mut words = read_words(&bytes);
        Some(Self { cursor: Addr::new(words.next()?), turns: words.next()? })
    }

    /// Whether the code can have come to there from `taken`: it stops at the start of each turn.
    fn follows(self, taken: Self) -> bool {
        let at = self.cursor;
        let is_entry = (FIRST_ENTRY..=ENTRIES_END).contains(&at)
            && at.offset_from(FIRST_ENTRY).is_some_and(|bytes| bytes % 8 == 0);
        let same_turn = self.turns == taken.turns && at >= taken.cursor;
        is_entry && (same_turn || self.turns == taken.turns + 1)
    }

    /// Where the entries since `taken` are, each part with its length in bytes. A part that the code has come to the
    /// end of ends with a mark.
    fn parts_since(self, taken: Self) -> [(Addr, usize); 2] {
        let part = |from: Addr, to: Addr| {
            (from, to.offset_from(from).and_then(|len| usize::try_from(len).ok()).unwrap_or(0))
        };
        match self.turns == taken.turns {
            true => [part(taken.cursor, self.cursor), part(FIRST_ENTRY, FIRST_ENTRY)],
            false => [part(taken.cursor, ENTRIES_END), part(FIRST_ENTRY, self.cursor)],
        }
    }
}

impl World {
    /// How far the buffer of the task's address space was taken over, if it is in use. The address space
    /// of a task that ends may be gone already.
    fn fast_calls_taken(&self, task: &Task) -> Option<Progress> {
        let fast = &self.spaces.get(&task.space)?.fast;
        fast.in_use.then_some(fast.taken)
    }

    /// Looks whether a running task has made calls without a stop since it was last looked at.
    pub(crate) fn note_fast_calls(&mut self, task: &mut Task, now: Duration) {
        let Some(taken) = self.fast_calls_taken(task) else { return };
        let Some(space) = self.spaces.get_mut(&task.space) else { return };
        if let Some(progress) = Progress::read(task)
            && progress != taken
            && progress != space.fast.seen
        {
            space.fast.seen = progress;
            task.made_fast_calls = Some(now);
        }
    }

    /// A task that slept in a call of the code was woken by a signal, or by the recorder: it goes on at its stub,
    /// where the call is traced, and others can run meanwhile.
    pub(crate) fn leave_to_stub(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        stopped: &mut Stopped,
        event: StopEvent,
    ) -> Result<(), RecordError> {
        let (StopEvent::Signal(_) | StopEvent::Stop(_), None, Some(code), Some(taken)) =
            (event, &task.open, task.fast_code.clone(), self.fast_calls_taken(task))
        else {
            return Ok(());
        };
        let registers = stopped.registers()?;
        let was_woken = registers.pc() == code.after_call
            && registers.orig_rax.cast_signed() >= 0
            && Errno::from_result(registers.rax.cast_signed()).is_some_and(Errno::is_restart);
        let entry = was_woken.then(|| unfinished(task, taken, Some(&registers))).flatten();
        let Some(entry) = entry else { return Ok(()) };
        let before = entry.before(&code, &registers);
        let after = entry.at_stub(&before);
        stopped.set_registers(&after)?;
        let draft = book.draft();
        let (no, begun) = (entry.no(), Begun::Unseen);
        book.retire(task, draft, Ended { no, begun, before: &before, after: &after })
    }
}

impl Session {
    /// Makes events of the calls that the task has made since its last stop.
    pub(crate) fn take_fast_calls(&mut self, task: &mut Task) -> Result<(), RecordError> {
        let (Some(code), Some(taken)) = (task.fast_code.clone(), self.world.fast_calls_taken(task))
        else {
            return Ok(());
        };
        // Memory that is gone has nothing to take.
        let Some(now) = Progress::read(task) else {
            return Ok(());
        };
        if now == taken {
            return Ok(());
        }
        task.made_fast_calls = Some(monotonic());
        let spoiled = || {
            RecordError::Unsupported(format!(
                "the program wrote to memory at {CURSOR}, which is retake's"
            ))
        };
        if !now.follows(taken) {
            return Err(spoiled());
        }
        let mut buffer = std::mem::take(&mut self.fast_entries);
        let has_turned = now.turns != taken.turns;
        for ((at, len), ends_with_mark) in
            now.parts_since(taken).into_iter().zip([has_turned, false])
        {
            buffer.resize(len, 0);
            let got = task.memory.read(at, &mut buffer).unwrap_or(0);
            let mut rest = buffer.get(..got).unwrap_or_default();
            while let Some((entry, behind)) = Entry::parse(rest) {
                self.add_fast_call(task, &code, &entry)?;
                rest = behind;
            }
            // Behind the last entry of a turn is the mark, where there is room; behind the last one of all is nothing.
            let is_at_mark = ends_with_mark && rest.first_chunk() == Some(&[0; 8]);
            if got == len && !rest.is_empty() && !is_at_mark {
                return Err(spoiled());
            }
        }
        self.fast_entries = buffer;
        self.world.space(task.space)?.fast.taken = now;
        Ok(())
    }

    fn add_fast_call(
        &mut self,
        task: &mut Task,
        code: &Rc<FastCode>,
        entry: &Entry<'_>,
    ) -> Result<(), RecordError> {
        let before = entry.before(code, &task.registers);
        let rax = entry.result().cast_unsigned();
        let after = Registers { rax, orig_rax: u64::MAX, ..before };
        let mut draft = self.book.draft();
        if let Some(written) = entry.written() {
            draft.write(written.addr, written.bytes);
        }
        if let Some(taken) = entry.taken() {
            let (stream, len) = (stream_of(entry.descriptor_kind()), taken.bytes.len() as u64);
            let hash = OutputHash::of(taken.bytes);
            draft.add(&Effect::Output { stream, addr: taken.addr, len, hash });
        }
        match entry.no() {
            nr::FCNTL if matches!(before.rsi & 0xffff_ffff, F_DUPFD | F_DUPFD_CLOEXEC) => {
                self.world.fds_changed();
            }
            nr::OPEN | nr::OPENAT | nr::CLOSE => {
                self.world.fds_changed();
                let kind = entry.descriptor_kind();
                let fds = &mut self.world.space(task.space)?.fast.fds;
                if entry.no() == nr::CLOSE {
                    fds.closed(before.rdi);
                } else if kind != FdKind::UNKNOWN
                    && let Some((addr, bytes)) = fds.opened(entry.result(), kind)
                {
                    draft.write(addr, &bytes);
                } else if entry.result() >= 0 {
                    // Of a file that the kernel makes up.
                    self.hardware.told_files.expect();
                }
            }
            _ => {}
        }
        let (no, begun) = (entry.no(), Begun::Unseen);
        self.book.retire(task, draft, Ended { no, begun, before: &before, after: &after })
    }

    /// The same at a stop. A task that was killed may have made a call that is not written down.
    pub(crate) fn take_fast_calls_at(
        &mut self,
        task: &mut Task,
        stopped: &Stopped,
        event: StopEvent,
    ) -> Result<(), RecordError> {
        self.take_fast_calls(task)?;
        let (StopEvent::Exit, Some(taken)) = (event, self.world.fast_calls_taken(task)) else {
            return Ok(());
        };
        let registers = stopped.registers()?;
        let Some(code) = task.fast_code.clone() else { return Ok(()) };
        if let Some((addr, bytes)) = code.unanswered(&registers, taken.cursor) {
            // Replay gives no answer there. Memory that is gone has none.
            let _ = task.memory.write(addr, &bytes);
        }
        if !code.has_unlogged(registers.pc()) {
            return Ok(());
        }
        let at_call = Some(&registers).filter(|now| code.has_unwritten(now.pc()));
        let Some(entry) = unfinished(task, taken, at_call) else { return Ok(()) };
        if Errno::from_result(entry.result()).is_some_and(Errno::is_restart) {
            // It was killed instead of making it.
            return Ok(());
        }
        let (addr, len) = entry.data_place().unwrap_or((Addr::NULL, 0));
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let got = task.memory.read(addr, &mut bytes).unwrap_or(0);
        bytes.truncate(got);
        self.add_fast_call(task, &code, &entry.with_bytes(&bytes))?;
        // Killed at the end of the call, it is where that has left it.
        task.dying |= registers.pc() == code.after_call;
        Ok(())
    }

    /// A task whose turn is to end at its next call has come to one: if it is made without a stop, the
    /// task goes on to the end of that.
    pub(crate) fn came_to_fast_call(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
    ) -> Result<Next, RecordError> {
        task.to_next_call = None;
        let Some(end) = task.end_of_fast_code(stopped.registers()?.pc()) else {
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon));
        };
        self.turns.scheduler.end_turn();
        task.asked_to_stop = false;
        self.leave_fast_code(task, stopped, AtEnd::TurnEnds, end)
    }

    /// A task that was stopped in the middle of the code goes on to its end first; the stop is then what
    /// it would have been there.
    pub(crate) fn leave_fast_code(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        at_end: AtEnd,
        end: Addr,
    ) -> Result<Next, RecordError> {
        if at_end != AtEnd::Again {
            task.asked_to_stop = false;
        }
        let Some(ticker) = &self.turns.ticker else {
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon));
        };
        let found = run_to(stopped, task, ticker, end, PATIENCE);
        ticker.every(crate::scheduler::TICK);
        match found? {
            Found::Place(mut stopped, _) => {
                let is_out = stopped.registers()?.pc() == end;
                self.take_fast_calls(task)?;
                match at_end {
                    AtEnd::Again => stopped.stop_again()?,
                    AtEnd::Asked if is_out => return self.stopped_as_asked(task, stopped),
                    // It comes to the end of the code once after each call.
                    AtEnd::TurnEnds if is_out => {
                        let stopped = self.preempt_at_first(task, stopped, None)?;
                        return self.go_on_at_event(task, stopped);
                    }
                    AtEnd::Asked | AtEnd::TurnEnds => {}
                }
                Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon))
            }
            Found::Stop(stop) => self.handle_stop(task, stop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nth(n: u64) -> Addr {
        Addr::new(FIRST_ENTRY.get() + n * 168)
    }

    fn at(cursor: Addr, turns: u64) -> Progress {
        Progress { cursor, turns }
    }

    #[test]
    fn entries_up_to_the_cursor() {
        let between = |from: Progress, to: Progress| to.parts_since(from);
        let to_end = |from: Addr| usize::try_from(ENTRIES_END.offset_from(from).unwrap()).unwrap();
        let none = (FIRST_ENTRY, 0);
        assert_eq!(between(at(nth(2), 5), at(nth(4), 5)), [(nth(2), 336), none]);
        assert_eq!(between(at(nth(2), 5), at(nth(2), 5)), [(nth(2), 0), none]);
        assert_eq!(
            between(at(nth(9), 0), at(nth(1), 1)),
            [(nth(9), to_end(nth(9))), (nth(0), 168)]
        );
    }

    #[test]
    fn what_the_code_does_not_come_to() {
        let start = Progress::START;
        assert!(
            start.follows(start)
                && at(ENTRIES_END, 0).follows(start)
                && at(nth(7), 1).follows(at(nth(9), 0))
        );
        assert!(!at(Addr::NULL, 0).follows(start), "outside");
        assert!(!at(Addr::new(FIRST_ENTRY.get() + 4), 0).follows(start), "in between");
        assert!(!at(nth(1), 0).follows(at(nth(2), 0)), "backwards");
        assert!(!at(nth(1), 2).follows(start), "a turn too much");
    }
}
