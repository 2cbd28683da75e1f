//! Having debug registers tell when somebody writes to what a task waits for.

use retake_model::{Addr, Backing, Registers};
use retake_ptrace::{PtraceError, PtraceStop, Resume, Stopped, WATCHPOINTS, Watchpoint, monotonic};

use super::Word;
use crate::error::RecordError;
use crate::next::{Next, resumed};
use crate::places::midcode::Arrivals;
use crate::places::unfinished;
use crate::session::Session;
use crate::tasks::{Space, Task};
use crate::waiting::armed::Armed;
use crate::world::World;

/// After so many writes that change nothing anybody waits for, watching costs too much.
const MISSES: u32 = 16;
/// Once in so many times the task that wrote goes on, as it may natively.
const GOES_ON: u64 = 16;

impl Task {
    /// Takes all watchpoints out.
    pub(crate) fn disarm(&mut self, stopped: &mut Stopped) -> Result<(), PtraceError> {
        self.armed = Armed::default();
        stopped.set_watchpoints(&[])
    }

    /// Watchpoints for an arrival at `pc`, one in the loop where it has waited, and the words of others, as far
    /// as there are registers.
    fn watchpoints_and(&self, pc: Addr) -> Vec<Watchpoint> {
        let is_word = |point: &Watchpoint| matches!(point, Watchpoint::Write(..));
        let own = self.waited_at.places().filter(|own| *own != pc);
        let places = [pc].into_iter().chain(own).map(Watchpoint::Execute);
        let words = self.armed.points.iter().flatten().copied().filter(is_word);
        places.chain(words).take(WATCHPOINTS).collect()
    }

    /// Sets the debug registers to these; false where there are none. Words that have no register any more
    /// are not watched until the next event: a write to them would be missed, and the one after it taken for
    /// the first.
    pub(super) fn watch_arrivals_at(
        &mut self,
        stopped: &mut Stopped,
        pc: Addr,
    ) -> Result<bool, PtraceError> {
        let list = self.watchpoints_and(pc);
        if self.armed.points.iter().flatten().eq(&list) {
            return Ok(true);
        }
        let mut wanted = Armed { late: true, misses: self.armed.misses, ..Armed::default() };
        for point in &list {
            wanted.add(*point);
        }
        self.arm(stopped, wanted)?;
        Ok(self.is_armed())
    }

    /// Whether it has waited there before.
    pub(super) fn came_to_its_loop(&self, pc: Addr) -> bool {
        self.waited_at.places().any(|place| place == pc)
    }

    /// Takes out all watchpoints but those for others, and for the loops where it is likely to wait: it may come
    /// there after it has computed for long, when it is hardly looked at.
    pub(super) fn watch_as_before(&mut self, stopped: &mut Stopped) -> Result<(), PtraceError> {
        let mut kept = Armed { late: self.armed.late, ..Armed::default() };
        let here = stopped.registers()?.pc();
        for pc in self.waited_at.likely().filter(|pc| *pc != here) {
            kept.add(Watchpoint::Execute(pc));
        }
        for point in self.armed.points.into_iter().flatten() {
            if matches!(point, Watchpoint::Write(..)) {
                kept.add(point);
            }
        }
        self.disarm(stopped)?;
        self.arm(stopped, kept)
    }

    /// Watches for its own loop, and not for others: from here on a write is not the first one any more.
    fn watch_loop_only(&mut self, stopped: &mut Stopped) -> Result<(), PtraceError> {
        let mut wanted = Armed { late: true, ..Armed::default() };
        for pc in self.waited_at.places() {
            wanted.add(Watchpoint::Execute(pc));
        }
        self.disarm(stopped)?;
        self.arm(stopped, wanted)
    }

    /// A stop of a task that was watched.
    pub(super) fn forget_watches(&mut self, stop: PtraceStop) -> PtraceStop {
        self.armed = Armed::default();
        stop.without_watchpoints()
    }

    fn arm(&mut self, stopped: &mut Stopped, wanted: Armed) -> Result<(), PtraceError> {
        if self.armed.points == wanted.points {
            self.armed.late = wanted.late;
            return Ok(());
        }
        if wanted.is_empty() {
            return self.disarm(stopped);
        }
        let mut list = [Watchpoint::Execute(Addr::NULL); WATCHPOINTS];
        let points = wanted.points.iter().flatten();
        let count = points.clone().count();
        for (place, point) in list.iter_mut().zip(points) {
            *place = *point;
        }
        self.armed = Armed::default();
        match stopped.set_watchpoints(list.get(..count).unwrap_or_default()) {
            Ok(()) => self.armed = wanted,
            Err(error) if error.is_gone() => return Err(error),
            // Without debug registers the words are compared at events.
            Err(_) => {}
        }
        Ok(())
    }

    /// Whether they stop it where it has waited before.
    pub(crate) fn is_watched_for_waits(&self) -> bool {
        let is_place = |point: &Watchpoint| matches!(point, Watchpoint::Execute(_));
        self.armed.points.iter().flatten().any(is_place)
    }

    /// Whether its debug registers watch for others.
    pub(crate) fn is_armed(&self) -> bool {
        !self.armed.is_empty()
    }
}

/// Where `space` has the memory that another space has at `word`.
fn seen_from(space: &Space, from: &Space, word: &Word) -> Option<Addr> {
    let theirs = from.table.find(word.addr)?;
    let Backing::Shared { shared, offset } = theirs.backing_at(word.addr)? else { return None };
    space.table.iter().find_map(|mapping| {
        let (object, first) = mapping.backing.shared_object().filter(|(id, _)| *id == shared)?;
        debug_assert_eq!(object, shared);
        let skip = offset.get().checked_sub(first.get())?;
        mapping.range.start().checked_add(skip).filter(|addr| mapping.range.contains(*addr))
    })
}

impl World {
    /// Sets the debug registers of a task that is about to run, for all that only wait.
    pub(crate) fn watch_for_others(
        &self,
        task: &mut Task,
        stopped: &mut Stopped,
    ) -> Result<(), PtraceError> {
        let mut wanted = Armed::default();
        if self.tasks.values().any(|other| other.can_run()) {
            for pc in task.waited_at.likely() {
                wanted.add(Watchpoint::Execute(pc));
                if task.registers.pc() == pc {
                    // It stands there: only the next arrival counts.
                    stopped.set_registers(&task.registers.with_resume_flag())?;
                }
            }
        }
        let surely = self.tasks.values().filter_map(|other| other.waiting.as_ref());
        let likely = self.tasks.values().filter_map(|other| other.expects.as_ref());
        for waiting in surely.chain(likely) {
            for word in &waiting.words {
                let addr = match waiting.space == task.space {
                    true => Some(word.addr),
                    false => self
                        .spaces
                        .get(&task.space)
                        .and_then(|space| seen_from(space, self.spaces.get(&waiting.space)?, word)),
                };
                if let Some(addr) = addr {
                    wanted.add(Watchpoint::Write(addr, word.len));
                }
            }
        }
        task.arm(stopped, wanted)
    }

    /// Whether a task only waits, or did when it last ran.
    pub(crate) fn somebody_waits(&self) -> bool {
        self.tasks.values().any(|task| task.waiting.is_some() || task.expects.is_some())
    }

    /// Finds the tasks that have waited for what has happened by now.
    pub(crate) fn wake_those_that_waited(&mut self) -> bool {
        let mut any = false;
        for task in self.tasks.values_mut() {
            if task.waiting.as_ref().is_some_and(|waiting| waiting.is_over(&task.memory)) {
                task.waiting = None;
                task.woken = true;
                any = true;
            }
        }
        any
    }

    /// The watched word of this task whose change ends somebody's wait.
    fn word_that_ended_a_wait(&mut self, task: &Task) -> Option<Addr> {
        let own = self.spaces.get(&task.space)?;
        let mut first = None;
        for other in self.tasks.values_mut() {
            let Some(waiting) = other.waiting.as_ref().or(other.expects.as_ref()) else { continue };
            let changed = waiting.words.iter().find(|word| word.has_changed(&other.memory));
            let seen = changed.and_then(|word| match waiting.space == task.space {
                true => Some(word.addr),
                false => seen_from(own, self.spaces.get(&waiting.space)?, word),
            });
            if seen.is_some() && other.can_run() {
                (other.waiting, other.expects) =
                    (None, other.waiting.take().or(other.expects.take()));
                other.woken = true;
                first = first.or(seen);
            }
        }
        first
    }
}

impl Session {
    /// A debug register of a running task has stopped it.
    pub(crate) fn at_watchpoint(
        &mut self,
        task: &mut Task,
        stopped: Stopped,
        registers: &Registers,
    ) -> Result<Next, RecordError> {
        let pc = registers.pc();
        let is_armed = task.armed.points.contains(&Some(Watchpoint::Execute(pc)));
        if !is_armed || !task.came_to_its_loop(pc) {
            return self.wrote_for_others(task, stopped, registers);
        }
        // If it waits this is undone.
        task.waited_at.pass(pc);
        let arrivals = if task.armed.late { Arrivals::Unknown } else { Arrivals::Seen };
        self.examine_for_others(task, stopped, arrivals)
    }

    /// A task has written to memory that its debug registers watch for others. If that ends a wait, its
    /// turn mostly ends here: the first write since its last event is a place that replay finds again.
    pub(crate) fn wrote_for_others(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        registers: &Registers,
    ) -> Result<Next, RecordError> {
        let in_one_step = unfinished::end_of_step(task, registers.pc()).is_some();
        let written = if in_one_step { None } else { self.world.word_that_ended_a_wait(task) };
        let Some(word) = written else {
            task.armed.misses += 1;
            if task.armed.misses >= MISSES {
                task.watch_loop_only(&mut stopped)?;
            }
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon));
        };
        if self.turns.scheduler.once_in(GOES_ON) {
            task.watch_loop_only(&mut stopped)?;
            let now = monotonic();
            self.turns.scheduler.looked(now);
            self.turns.look_again(task, now);
            for other in self.world.tasks.values_mut().filter(|other| other.woken) {
                (other.woken, other.since) = (false, now);
            }
            return Ok(resumed(stopped.resume(Resume::Continue, None)?, Next::Soon));
        }
        let stopped = self.preempt_at_write(task, stopped, word)?;
        if let Some(expected) = &mut task.expects {
            expected.refresh(&task.memory);
        }
        self.turns.scheduler.end_turn();
        Ok(Next::Ready(stopped))
    }
}
