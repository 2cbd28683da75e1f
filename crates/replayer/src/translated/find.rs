//! Finding a place in the middle of code by tests that the task makes itself.

use std::collections::BTreeMap;

use retake_model::{Addr, EventIndex, Protection, TaskId};
use retake_ptrace::WatchLen;
use retake_recording::{Event, Fingerprint};
use retake_tracee::Glance;
use retake_translator::{Filter, Test, can_be_compiled};

use super::order::Order;
use super::run::{First, Halt};
use crate::arrivals::{COUNTDOWN, Judge};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::run::Step;
use crate::sites::Counts;
use crate::stepping::repeats;

/// What is known of the place of an event: kept while stops on the way to it are reported.
#[derive(Debug)]
pub(crate) struct Learned {
    event: EventIndex,
    order: Order,
    filter: Option<Filter>,
}

impl Machine {
    /// Lets a task run, translated, until its state is the recorded one.
    pub(crate) fn find_translated(
        &mut self,
        index: EventIndex,
        event: &Event,
        print: &Fingerprint,
    ) -> Result<Option<Step>, Failure> {
        let known = self.learned.take().filter(|learned| learned.event == index);
        let mut learned = match known {
            Some(learned) => learned,
            None => {
                let probes = self.readable(event.task, &print.probes)?;
                let order = Order::new(&event.before, &probes, print.vector.as_bytes());
                Learned { event: index, order, filter: None }
            }
        };
        let found = self.look_for(index, event, print, &mut learned);
        self.learned = Some(learned);
        found
    }

    /// The words that the task itself can read: a test of another one never holds. The recorder reads what no
    /// program can (`PROT_NONE`), and looks below `rbp`, which need not be an address of a frame.
    fn readable(
        &mut self,
        id: TaskId,
        probes: &[(Addr, u64)],
    ) -> Result<Vec<(Addr, u64)>, Failure> {
        let space = self.task(id)?.space;
        let table = &self.space(space).table;
        let is_readable = |(addr, _): &&(Addr, u64)| {
            let last = addr.checked_add(7);
            [Some(*addr), last].into_iter().all(|at| {
                let mapping = at.and_then(|at| table.find(at));
                mapping.is_some_and(|mapping| mapping.prot.allows(Protection::READ))
            })
        };
        Ok(probes.iter().filter(is_readable).copied().collect())
    }

    fn look_for(
        &mut self,
        index: EventIndex,
        event: &Event,
        print: &Fingerprint,
        learned: &mut Learned,
    ) -> Result<Option<Step>, Failure> {
        let _said = self.watch.search(index);
        let (id, pc) = (event.task, event.before.pc());
        let mut tests = self.tests_at_sites(id)?;
        let place = tests.get(&pc).and_then(|test| test.place);
        let asked_for = tests.get(&pc).is_some_and(|test| test.filter.is_some());
        let filter = learned.filter.clone().filter(|_| !asked_for).unwrap_or_default();
        tests.insert(pc, Test { place, filter: Some(filter) });
        self.set_tests(id, &tests)?;
        let here = self.task(id)?.stopped.registers()?.pc();
        let looked_at = self.standing_at == Some(here) || (here == pc && !asked_for);
        let mut first = if looked_at { First::GoOn } else { First::Test };
        self.standing_at = None;
        loop {
            let at = match self.run_translated(id, &tests, first)? {
                Halt::Test(at) => at,
                Halt::Watched(at) => return Ok(Some(self.watched_at(id, at)?)),
                Halt::Paused(at) => return Ok(Some(self.paused_at(at))),
                Halt::Stopped(stop, registers) => {
                    return Err(self.missed(index, event, stop, &registers));
                }
            };
            let judge = if at == pc { Judge::Here } else { Judge::Inside };
            let is_site = at != pc || asked_for;
            if self.is_wanted(id, at)? || is_site && self.counts(id, at, judge)? {
                return Ok(Some(self.hit(id, at)?));
            }
            if at != pc {
                first = First::GoOn;
                continue;
            }
            if self.stands_at_place(event, print)? {
                return Ok(None);
            }
            first = First::GoOn;
            let task = self.task(id)?;
            let (registers, vector) = (task.stopped.registers()?, task.stopped.vector()?);
            let memory = Glance::of(&task.memory, &task.stopped);
            let memory = |addr| memory.word(addr, WatchLen::Eight);
            if !asked_for
                && let Some(test) = learned.order.passed(&registers, vector.as_bytes(), memory)
            {
                learned.filter.clone_from(&test.filter);
                tests.insert(pc, Test { place, ..test });
                self.set_tests(id, &tests)?;
            }
        }
    }

    /// A test at each installed breakpoint, and one for the place that is to be stopped at.
    pub(super) fn tests_at_sites(&mut self, id: TaskId) -> Result<BTreeMap<Addr, Test>, Failure> {
        let space = self.task(id)?.space;
        let counter = self.countdown.and(COUNTDOWN);
        let test = |(addr, counts): (Addr, &Counts)| {
            let filter = match counts {
                Counts::Own | Counts::Always => Filter { counter, ..Filter::default() },
                Counts::If(predicate) if can_be_compiled(predicate) => {
                    Filter { predicate: Some(predicate.clone()), counter, ..Filter::default() }
                }
                // Judged at each stop.
                Counts::If(_) => Filter::default(),
            };
            (addr, Test { place: None, filter: Some(filter) })
        };
        let mut tests: BTreeMap<Addr, Test> = self.sites.installed_in(space).map(test).collect();
        for (pc, branches) in self.places_wanted(id)? {
            tests.entry(pc).or_default().place = Some(branches);
        }
        Ok(tests)
    }

    /// Whether a place can be tested for: within a repeated string instruction there is none.
    pub(crate) fn can_be_tested(&mut self, id: TaskId, pc: Addr) -> Result<bool, Failure> {
        Ok(!repeats(&self.instruction_at(id, pc)?))
    }
}
