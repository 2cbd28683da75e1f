//! Loops that tasks were found in.

use std::collections::BTreeMap;
use std::rc::Rc;

use retake_model::{Addr, Registers};
use retake_tracee::Glance;

use super::code::{Access, Anew, Known, Step};
use super::counting::Counters;
use super::path::{SureTurn, sure_turn};

/// So many instructions have a place in the list at most.
const MOST: usize = 4096;
/// Longest code of a loop that is compared, in bytes.
const LONGEST_CODE: usize = 512;

/// What one turn of a loop comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It can leave everything as it was.
    CanWait,
    /// It changes memory each time.
    Computes,
}

/// A loop, by its instructions in the order in which one turn executes them.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    pub(super) kind: Kind,
    steps: Vec<Step>,
    /// It leaves vector and floating-point state alone.
    pub(super) is_general: bool,
    /// What each turn counts.
    counters: Counters,
    start: Addr,
    code: Vec<u8>,
}

impl Loop {
    /// The loop of these instructions, if they lie near each other.
    pub(super) fn new(
        kind: Kind,
        list: &[(Addr, Step)],
        counters: Counters,
        memory: &Glance<'_>,
    ) -> Option<Self> {
        let start = list.iter().map(|(pc, _)| *pc).min()?;
        let end = list.iter().map(|(pc, step)| pc.get() + step.len() as u64).max()?;
        let len = usize::try_from(end - start.get()).ok().filter(|len| *len <= LONGEST_CODE)?;
        let mut code = vec![0; len];
        memory.read_exact(start, &mut code)?;
        let steps = list.iter().map(|(_, step)| step.clone()).collect();
        let is_general = list.iter().all(|(_, step)| step.is_general());
        Some(Self { kind, steps, is_general, counters, start, code })
    }

    /// Whether its code is still there.
    pub(super) fn is_there(&self, memory: &Glance<'_>) -> bool {
        let mut now = [0; LONGEST_CODE];
        let now = now.get_mut(..self.code.len());
        now.is_some_and(|now| memory.read_exact(self.start, now).is_some() && *now == *self.code)
    }

    /// What it reads and writes in a turn that begins with these registers, at any of its instructions.
    /// None where that depends on more than what it loads.
    pub(super) fn accesses(
        &self,
        registers: &Registers,
        memory: &Glance<'_>,
    ) -> Option<Vec<Access>> {
        let mut known = Known::all(registers);
        let mut list = Vec::new();
        for step in self.turn_from(registers.pc())? {
            list.extend(step.accesses(&known)?);
            step.pass(&mut known, memory);
        }
        Some(list)
    }

    /// What such a turn comes to, if it surely executes these instructions and no others.
    pub(super) fn sure_turn(&self, registers: &Registers, memory: &Glance<'_>) -> Option<SureTurn> {
        let turn: Vec<&Step> = self.turn_from(registers.pc())?.collect();
        sure_turn(&turn, registers, memory)
    }

    /// Whether a turn that leads from one of these to the other leads there again.
    pub(super) fn leads_again(&self, first: &Registers, then: &Registers) -> bool {
        let mut anew = Anew::default();
        let Some(turn) = self.turn_from(first.pc()) else { return false };
        turn.for_each(|step| anew.add(step));
        anew.leads_again(&self.counters.hidden(first), &self.counters.hidden(then))
    }

    /// Its instructions in order, this one first.
    fn turn_from(&self, pc: Addr) -> Option<impl Iterator<Item = &Step>> {
        let first = self.steps.iter().position(|step| step.is_at(pc))?;
        let (later, sooner) = self.steps.split_at_checked(first)?;
        Some(sooner.iter().chain(later))
    }
}

/// The loops of one address space, by their instructions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loops {
    known: BTreeMap<Addr, Rc<Loop>>,
}

impl Loops {
    pub(super) fn at(&self, pc: Addr) -> Option<Rc<Loop>> {
        self.known.get(&pc).cloned()
    }

    pub(super) fn add(&mut self, list: &[(Addr, Step)], found: Loop) {
        if self.known.len() + list.len() > MOST {
            self.known.clear();
        }
        let found = Rc::new(found);
        for (pc, _) in list {
            self.known.insert(*pc, Rc::clone(&found));
        }
    }
}
