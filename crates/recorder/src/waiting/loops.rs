//! Loops that tasks were found in.

use std::collections::BTreeMap;
use std::rc::Rc;

use retake_model::{Addr, Registers};
use retake_ptrace::ProcessMemory;

use super::code::{Access, Step, Written};

/// So many instructions have a place in the list at most.
const MOST: usize = 4096;
/// Longest code of a loop that is compared, in bytes.
const LONGEST_CODE: u64 = 512;

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
    written: Written,
    start: Addr,
    code: Vec<u8>,
}

impl Loop {
    /// The loop of these instructions, if they lie near each other.
    pub(super) fn new(kind: Kind, list: &[(Addr, Step)], memory: &ProcessMemory) -> Option<Self> {
        let start = list.iter().map(|(pc, _)| *pc).min()?;
        let end = list.iter().map(|(pc, step)| pc.get() + step.len() as u64).max()?;
        let len = end - start.get();
        if len > LONGEST_CODE {
            return None;
        }
        let mut code = vec![0; usize::try_from(len).ok()?];
        memory.read_exact(start, &mut code).ok()?;
        let mut written = Written::new();
        for (_, step) in list {
            step.add_written(&mut written);
        }
        let steps = list.iter().map(|(_, step)| step.clone()).collect();
        Some(Self { kind, steps, written, start, code })
    }

    /// Whether its code is still there.
    pub(super) fn is_there(&self, memory: &ProcessMemory) -> bool {
        let mut now = vec![0; self.code.len()];
        memory.read_exact(self.start, &mut now).is_ok() && now == self.code
    }

    /// What it reads and writes in each turn, by the registers at any of its instructions. None where that
    /// depends on what it has read before.
    pub(super) fn accesses(&self, registers: &Registers) -> Option<Vec<Access>> {
        let parts: Option<Vec<Vec<Access>>> =
            self.steps.iter().map(|step| step.steady_accesses(registers, &self.written)).collect();
        parts.map(|parts| parts.concat())
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
