//! Which arrivals at breakpoints count, and counting them down.

use retake_model::{Addr, Judged, Predicate, Registers, SpaceId, TaskId};
use retake_ptrace::ProcessMemory;
use retake_translator::{Counter, can_be_compiled};

use crate::failure::Failure;
use crate::machine::Machine;
use crate::sites::{Counts, SiteTable};

/// The counter that all breakpoints share.
pub(crate) const COUNTDOWN: Option<Counter> = Counter::new(0);

/// Who has looked at an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    /// The task itself, in its code cache, as far as it can.
    Inside,
    /// Nobody yet.
    Here,
}

/// A stopped task, as predicates see it.
struct Standing<'a> {
    task: TaskId,
    registers: Registers,
    memory: &'a ProcessMemory,
    sites: &'a SiteTable,
    space: SpaceId,
}

impl Judged for Standing<'_> {
    fn task(&self) -> TaskId {
        self.task
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }

    fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
        let read = self.memory.read_exact(addr, out).is_ok();
        self.sites.mask(self.space, addr, out);
        read
    }
}

impl Machine {
    /// Whether a predicate holds for a task that stands still. One that looks at memory that is not there is
    /// taken to hold: whoever asked is to know.
    pub(crate) fn holds(&mut self, id: TaskId, predicate: &Predicate) -> Result<bool, Failure> {
        let task = self.task(id)?;
        let (space, registers) = (task.space, task.stopped.registers()?);
        let Some(memory) = self.tasks.get(&id).map(|task| &task.memory) else { return Ok(true) };
        let state = Standing { task: id, registers, memory, sites: &self.sites, space };
        Ok(predicate.evaluate(&state).unwrap_or(true))
    }

    /// Whether the arrival of a task at a breakpoint is to be reported: it counts, and no countdown says to
    /// wait for a later one.
    pub(crate) fn counts(&mut self, id: TaskId, at: Addr, judge: Judge) -> Result<bool, Failure> {
        let space = self.task(id)?.space;
        let judged = match self.sites.counts_at(space, at) {
            None | Some(Counts::Own) => return Ok(true),
            Some(Counts::Always) => judge == Judge::Inside,
            Some(Counts::If(predicate)) => judge == Judge::Inside && can_be_compiled(predicate),
        };
        let comes_now = self.countdown.is_none_or(|left| left == 0);
        if judged && comes_now && !self.is_outside(id, at)? {
            return Ok(true);
        }
        if let Some(Counts::If(predicate)) = self.sites.counts_at(space, at).cloned()
            && !self.holds(id, &predicate)?
        {
            return Ok(false);
        }
        match &mut self.countdown {
            None => Ok(true),
            Some(left) => {
                *left = left.saturating_sub(1);
                Ok(*left == 0)
            }
        }
    }

    /// The task's code cache counts down from where the machine is.
    pub(crate) fn give_countdown(&mut self, id: TaskId) -> Result<(), Failure> {
        let space = self.task(id)?.space;
        if let (Some(left), Some(counter), Some(cache)) =
            (self.countdown, COUNTDOWN, self.caches.get(space))
        {
            cache.set_counter(counter, left)?;
        }
        Ok(())
    }

    /// The machine goes on counting from where the task's code cache has come to.
    pub(crate) fn take_countdown(&mut self, id: TaskId) -> Result<(), Failure> {
        let space = self.task(id)?.space;
        if let (Some(left), Some(counter), Some(cache)) =
            (&mut self.countdown, COUNTDOWN, self.caches.get(space))
        {
            *left = cache.counter(counter)?;
        }
        Ok(())
    }

    /// Tests that ask are told which task runs.
    pub(crate) fn say_who_runs(&mut self, id: TaskId) -> Result<(), Failure> {
        let space = self.task(id)?.space;
        match self.caches.get(space) {
            Some(cache) => Ok(cache.set_task(id)?),
            None => Ok(()),
        }
    }
}
