//! The other tasks beside one that is diverted, where they are to run: one at a time, each for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use retake_abi::{args_of, nr};
use retake_execution::{Company, Diverted};
use retake_model::{Addr, Registers, Signal, TaskId};
use retake_ptrace::{Resume, StopEvent, monotonic};

use super::Divert;
use super::calls::{Answer, waits_at};
use super::run::{Covered, LONGEST};
use crate::failure::Failure;
use crate::machine::Machine;

/// How long one runs before the next one does.
const SLICE: Duration = Duration::from_millis(20);

/// What becomes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lot {
    Runs,
    /// It waits for somebody to wake those who wait at this word.
    Waits(Addr),
    /// It waits for what does not come here.
    Stays,
}

/// All tasks of a diversion.
#[derive(Debug)]
pub(super) struct Others {
    company: Company,
    lots: BTreeMap<TaskId, Lot>,
}

impl Others {
    /// The tasks as the recording left them.
    pub(super) fn of(machine: &Machine) -> Self {
        let lot = |task: &crate::live::LiveTask| match task.in_syscall {
            None => Lot::Runs,
            Some(nr::FUTEX) => {
                waits_at(args_of(nr::FUTEX, &task.registers)).map_or(Lot::Stays, Lot::Waits)
            }
            Some(_) => Lot::Stays,
        };
        let lots = machine.tasks.values().map(|task| (task.id, lot(task))).collect();
        Self { company: Company::Alone, lots }
    }

    pub(super) fn run(&self) -> bool {
        self.company == Company::Others
    }

    pub(super) fn set(&mut self, company: Company) {
        self.company = company;
    }

    fn waits(&self, id: TaskId) -> bool {
        matches!(self.lots.get(&id), Some(Lot::Waits(_)))
    }

    fn running_beside(&self, id: TaskId) -> Vec<TaskId> {
        let runs = |(other, lot): &(&TaskId, &Lot)| **other != id && **lot == Lot::Runs;
        self.lots.iter().filter(runs).map(|(other, _)| *other).collect()
    }
}

/// A task's registers behind a call with a result.
pub(super) fn behind_call(at: &Registers, result: i64) -> Registers {
    Registers { rax: result.cast_unsigned(), orig_rax: u64::MAX, ..*at }
}

impl Divert {
    /// Wakes so many of those who wait at a word; says how many that were.
    pub(super) fn wake(&mut self, word: Addr, most: u64) -> Result<i64, Failure> {
        let waiting = |(id, lot): (&TaskId, &Lot)| (*lot == Lot::Waits(word)).then_some(*id);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let woken: Vec<TaskId> = self.others.lots.iter().filter_map(waiting).take(most).collect();
        for id in &woken {
            let task = self.machine.task(*id)?;
            let at = task.stopped.registers()?;
            task.go_on_with(&behind_call(&at, 0))?;
            self.others.lots.insert(*id, Lot::Runs);
        }
        Ok(i64::try_from(woken.len()).unwrap_or(i64::MAX))
    }

    /// Lets others run until one of them wakes a task that waits at a word. Gives why that does not come.
    pub(super) fn wait_for_others(
        &mut self,
        id: TaskId,
        word: Addr,
        covered: &[Covered],
        until: Duration,
    ) -> Result<Option<Diverted>, Failure> {
        let why = format!("it would wait for another task (futex at {word})");
        if !self.others.run() {
            return Ok(Some(Diverted::Over(format!("{why}, and none runs here"))));
        }
        self.others.lots.insert(id, Lot::Waits(word));
        let over = loop {
            if !self.others.waits(id) {
                return Ok(None);
            }
            if monotonic() >= until {
                break format!("it has waited for {} s (futex at {word})", LONGEST.as_secs());
            }
            if !self.give_way(id, covered, until)? {
                break format!("{why}, and none of the others can go on");
            }
        };
        self.others.lots.insert(id, Lot::Runs);
        Ok(Some(Diverted::Over(over)))
    }

    /// Lets each of the others that can run do so for a while. False if none can.
    pub(super) fn give_way(
        &mut self,
        id: TaskId,
        covered: &[Covered],
        until: Duration,
    ) -> Result<bool, Failure> {
        let others = self.others.running_beside(id);
        for other in &others {
            let end = until.min(monotonic() + SLICE);
            if let Some(lot) = self.run_slice(*other, covered, end)? {
                self.others.lots.insert(*other, lot);
            }
        }
        Ok(!others.is_empty())
    }

    /// Lets one of the others run; says what becomes of it if it cannot go on.
    fn run_slice(
        &mut self,
        id: TaskId,
        covered: &[Covered],
        end: Duration,
    ) -> Result<Option<Lot>, Failure> {
        loop {
            let stop = self.machine.resume_until(id, Resume::Emulate, Some(end))?;
            let at = self.machine.task(id)?.stopped.registers()?;
            match stop {
                StopEvent::Syscall => match self.answer(id, &at)? {
                    Answer::Result(result) => {
                        self.machine.task(id)?.go_on_with(&behind_call(&at, result))?;
                    }
                    Answer::Waits(word) => return Ok(Some(Lot::Waits(word))),
                    Answer::Over(_) => return Ok(Some(Lot::Stays)),
                },
                StopEvent::Signal(Signal::STOP) => return Ok(None),
                StopEvent::Signal(Signal::SEGV) if self.emulate(id, &at)? => {}
                StopEvent::Signal(Signal::TRAP) if self.pass_breakpoint(id, &at, covered)? => {}
                _ => return Ok(Some(Lot::Stays)),
            }
        }
    }

    /// Breakpoints are for the task that is diverted: another one executes what is under it. False if there is none.
    fn pass_breakpoint(
        &mut self,
        id: TaskId,
        at: &Registers,
        covered: &[Covered],
    ) -> Result<bool, Failure> {
        let pc = Addr::new(at.rip.wrapping_sub(1));
        let Some(site) = covered.iter().find(|site| site.addr == pc) else { return Ok(false) };
        let task = self.machine.task(id)?;
        task.memory.write(site.addr, &site.byte)?;
        task.go_on_with(&Registers { rip: pc.get(), ..*at })?;
        let stop = self.machine.resume_until(id, Resume::EmulateStep, None)?;
        if stop == StopEvent::Syscall {
            // It is made again, from where it is.
            let task = self.machine.task(id)?;
            task.go_on_with(&Registers { rip: pc.get(), ..*at })?;
            task.memory.write(site.addr, &super::run::INT3)?;
            return Ok(false);
        }
        self.machine.task(id)?.memory.write(site.addr, &super::run::INT3)?;
        Ok(true)
    }
}
