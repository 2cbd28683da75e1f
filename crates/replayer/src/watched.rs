//! Memory at whose writes a run stops: debug registers see those of the program, events tell those of the
//! kernel.

use retake_execution::{Access, Watch, WatchId};
use retake_model::{Addr, AddrRange, RegisterName, SpaceId, TaskId};
use retake_ptrace::{StopEvent, WATCHPOINTS, WatchLen, Watchpoint};
use retake_recording::{Effect, Event};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::stepping::repeats;

/// What is watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    space: Option<SpaceId>,
    ranges: Vec<(WatchId, AddrRange)>,
    registers: Vec<Watchpoint>,
    /// Whose each register is.
    owners: Vec<WatchId>,
    /// What the last stop at a register was for.
    hit: Option<WatchId>,
    /// The event that took effect last wrote there.
    by_event: Option<WatchId>,
}

impl Watched {
    pub(crate) fn is_wanted(&self) -> bool {
        !self.ranges.is_empty()
    }

    /// What the last event wrote to, said once.
    pub(crate) fn take_by_event(&mut self) -> Option<WatchId> {
        self.by_event.take()
    }

    /// The first watch that a range touches.
    fn touched(&self, range: AddrRange) -> Option<WatchId> {
        self.ranges.iter().find(|(_, watched)| watched.overlaps(range)).map(|(id, _)| *id)
    }
}

/// Aligned pieces of a range that debug registers can watch.
fn pieces(range: AddrRange, access: Access) -> Vec<Watchpoint> {
    let (mut at, end) = (range.start().get(), range.end().get());
    let mut pieces = Vec::new();
    while at < end {
        let fits = |len: &u64| at.is_multiple_of(*len) && at + len <= end;
        let len = [8, 4, 2, 1].into_iter().find(fits).unwrap_or(1);
        let bytes = usize::try_from(len).ok().and_then(WatchLen::holding);
        pieces.push(match (access, bytes) {
            (Access::Write, Some(bytes)) => Watchpoint::Write(Addr::new(at), bytes),
            _ => Watchpoint::Access(Addr::new(at & !7)),
        });
        at += len;
    }
    pieces.dedup();
    pieces
}

impl Machine {
    /// Makes these the watches of the run that begins.
    pub(crate) fn want_watches(&mut self, watches: &[Watch]) -> Result<(), Failure> {
        self.watched = Watched::default();
        for watch in watches {
            self.watched.space = Some(self.task(watch.task)?.space);
            self.watched.ranges.push((watch.id, watch.range));
            self.watched.registers.extend(pieces(watch.range, watch.access));
            self.watched.owners.resize(self.watched.registers.len(), watch.id);
        }
        if self.watched.registers.len() > WATCHPOINTS {
            return Err(Failure::Refused(
                "debug registers hold four aligned words of at most 8 bytes, and more is to be \
                 watched: watch a part of it"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Sets the debug registers of a task that is about to run.
    pub(crate) fn arm_watches(&mut self, id: TaskId) -> Result<(), Failure> {
        let task = self.task(id)?;
        let space = task.space;
        if self.watched.is_wanted() && self.watched.space == Some(space) {
            let registers = self.watched.registers.clone();
            self.task(id)?.stopped.set_watchpoints(&registers)?;
        }
        Ok(())
    }

    pub(crate) fn disarm_watches(&mut self, id: TaskId) -> Result<(), Failure> {
        if self.watched.is_wanted()
            && let Some(task) = self.tasks.get_mut(&id)
        {
            task.stopped.set_watchpoints(&[])?;
        }
        Ok(())
    }

    /// Whether a stop says that watched memory was accessed.
    pub(crate) fn is_watched(&mut self, id: TaskId, stop: StopEvent) -> Result<bool, Failure> {
        let trapped = stop == StopEvent::Signal(retake_model::Signal::TRAP);
        if !trapped || !self.watched.is_wanted() {
            return Ok(false);
        }
        let stopped = &self.task(id)?.stopped;
        if !retake_ptrace::is_watchpoint(&stopped.siginfo()?) {
            return Ok(false);
        }
        let register = stopped.hit_watchpoint()?;
        self.watched.hit = register.and_then(|n| self.watched.owners.get(n).copied());
        Ok(true)
    }

    /// The watch that an access is for: the first one where the access touches several.
    pub(crate) fn watch_hit(&self) -> Option<WatchId> {
        self.watched.hit.or_else(|| self.watched.ranges.first().map(|(id, _)| *id))
    }

    /// Whether a task stands within a repeated string instruction that has just written to watched memory.
    pub(crate) fn is_within_watched(&mut self, id: TaskId) -> Result<bool, Failure> {
        let registers = self.task(id)?.stopped.registers()?;
        let instruction = self.instruction_at(id, registers.pc())?;
        if !repeats(&instruction) {
            return Ok(false);
        }
        const LONGEST: u64 = 8;
        let to = registers.get(RegisterName::Rdi);
        let near = AddrRange::new(
            Addr::new(to.saturating_sub(LONGEST)),
            Addr::new(to.saturating_add(2 * LONGEST)),
        );
        Ok(near.is_some_and(|near| self.watched.touched(near).is_some()))
    }

    /// An event takes effect: notes whether it writes to watched memory.
    pub(crate) fn note_watched(&mut self, event: &Event) {
        let space = self.tasks.get(&event.task).map(|task| task.space);
        if !self.watched.is_wanted() || space != self.watched.space {
            return;
        }
        let written = event.effects.iter().find_map(|effect| match effect {
            Effect::Write { addr, bytes } => {
                self.watched.touched(AddrRange::with_len(*addr, bytes.len() as u64)?)
            }
            _ => None,
        });
        self.watched.by_event = written.or(self.watched.by_event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_into_aligned_words() {
        let cut = |start: u64, len: u64| {
            let range = AddrRange::with_len(Addr::new(start), len).unwrap();
            let piece = |watchpoint: Watchpoint| match watchpoint {
                Watchpoint::Write(addr, len) => (addr.get(), len.bytes()),
                other => panic!("{other:?}"),
            };
            pieces(range, Access::Write).into_iter().map(piece).collect::<Vec<_>>()
        };
        assert_eq!(cut(0x1000, 8), [(0x1000, 8)]);
        assert_eq!(cut(0x1004, 8), [(0x1004, 4), (0x1008, 4)]);
        assert_eq!(cut(0x1001, 7), [(0x1001, 1), (0x1002, 2), (0x1004, 4)]);
    }
}
