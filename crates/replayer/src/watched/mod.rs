//! Memory at whose writes a run stops: debug registers, or protected pages, see those of the program, events
//! tell those of the kernel.

mod pages;

use retake_execution::{Access, DEBUG_REGISTERS, Watch, WatchId, register_pieces};
use retake_model::{Addr, AddrRange, RegisterName, SpaceId, TaskId};
use retake_ptrace::{StopEvent, WatchLen, Watchpoint};
use retake_recording::{Effect, Event};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::stepping::repeats;
pub(crate) use pages::WatchedPages;
use pages::WhenBusy;

/// More passes over a stretch take longer than anybody waits.
const PASSES: usize = 64;
/// What debug registers watch in so many passes.
pub(crate) const MOST_PIECES: usize = PASSES * DEBUG_REGISTERS;

/// What is watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    space: Option<SpaceId>,
    ranges: Vec<(WatchId, AddrRange)>,
    registers: Vec<Watchpoint>,
    /// Whose each register is.
    owners: Vec<WatchId>,
    /// Where debug registers are too few.
    pub(crate) pages: WatchedPages,
    /// What the last stop was for, where that is known.
    hit: Option<WatchId>,
    /// The event that took effect last wrote there.
    by_event: Option<WatchId>,
}

impl Watched {
    pub(crate) fn is_wanted(&self) -> bool {
        !self.ranges.is_empty()
    }

    /// The protection of `range` in an address space is another one, or its memory is.
    pub(crate) fn forget_range(&mut self, space: SpaceId, range: AddrRange) {
        if self.space == Some(space) {
            self.pages.forget_range(range);
        }
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

/// What debug registers are to hold for a range.
fn watchpoints(range: AddrRange, access: Access) -> impl Iterator<Item = Watchpoint> {
    register_pieces(range, access).filter_map(move |piece| {
        let len = usize::try_from(piece.len()).ok().and_then(WatchLen::holding)?;
        Some(match access {
            Access::Write => Watchpoint::Write(piece.start(), len),
            Access::Read | Access::Any => Watchpoint::Access(piece.start(), len),
        })
    })
}

impl Machine {
    /// Makes these the watches of the run that begins.
    pub(crate) fn want_watches(&mut self, watches: &[Watch]) -> Result<(), Failure> {
        self.forget_watches()?;
        for watch in watches {
            self.watched.space = Some(self.task(watch.task)?.space);
            self.watched.ranges.push((watch.id, watch.range));
            self.watched.registers.extend(watchpoints(watch.range, watch.access));
            self.watched.owners.resize(self.watched.registers.len(), watch.id);
        }
        let needed = self.watched.registers.len();
        if needed > DEBUG_REGISTERS {
            // Reads of so much are watched in several passes.
            self.watched.registers.clear();
            let when_busy = if needed <= MOST_PIECES { WhenBusy::GiveUp } else { WhenBusy::GoOn };
            let ranges = watches.iter().map(|watch| watch.range);
            self.watched.pages = WatchedPages::of(ranges, when_busy);
        }
        Ok(())
    }

    /// Nothing is watched any more.
    pub(crate) fn forget_watches(&mut self) -> Result<(), Failure> {
        self.open_watched_pages()?;
        self.watched = Watched::default();
        Ok(())
    }

    /// Sets the debug registers of a task that is about to run.
    pub(crate) fn arm_watches(&mut self, id: TaskId) -> Result<(), Failure> {
        let task = self.task(id)?;
        let space = task.space;
        if !self.watched.registers.is_empty() && self.watched.space == Some(space) {
            let registers = self.watched.registers.clone();
            self.task(id)?.stopped.set_watchpoints(&registers)?;
        }
        Ok(())
    }

    pub(crate) fn disarm_watches(&mut self, id: TaskId) -> Result<(), Failure> {
        if !self.watched.registers.is_empty()
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
        let task = self.task(id)?;
        let stopped = &task.stopped;
        let pc = stopped.registers()?.pc();
        if !retake_ptrace::is_watchpoint(&stopped.siginfo()?, pc, &task.memory) {
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
