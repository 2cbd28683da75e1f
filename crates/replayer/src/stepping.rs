//! One instruction at a time, with an exact place before and after it.

use std::collections::BTreeMap;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};
use retake_model::{Addr, Exact, Registers, TaskId};
use retake_translator::Test;

use crate::failure::Failure;
use crate::machine::Machine;
use crate::run::{Ran, Step, fingerprint, must_run};
use crate::translated::{First, Halt};

/// Longest instruction (Intel SDM vol. 2, 2.3.11).
pub(crate) const LONGEST: usize = 15;

/// What one instruction came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    /// The task stands at the next instruction.
    Place(Exact),
    /// The instruction led to the next event, which took effect.
    Event,
    /// Nothing was executed: the next event took effect where the task stood.
    EventHere,
}

/// Whether an instruction repeats by itself: it is one place however often it does.
pub(crate) fn repeats(instruction: &Instruction) -> bool {
    let has_prefix = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    has_prefix && instruction.is_string_instruction()
}

impl Machine {
    /// Lets the task of the next event execute one instruction, or takes the event where the task stands at its
    /// place.
    pub(crate) fn step_instruction(&mut self, id: TaskId) -> Result<Stepped, Failure> {
        let Some((index, event)) = self.peek()?.cloned() else { return Ok(Stepped::EventHere) };
        let is_here = match fingerprint(&event) {
            Some(print) => {
                self.task(id)?.give_back()?;
                self.stands_at_place(&event, print)?
            }
            None => self.is_at_event() && !must_run(&self.task(id)?.registers, &event),
        };
        if is_here {
            self.take_next()?;
            return Ok(Stepped::EventHere);
        }
        if !self.have_cache(id)? {
            let why = "no memory is free for the code cache that exact places need";
            return Err(Failure::Refused(why.to_owned()));
        }
        self.start_exact_count(id)?;
        self.task(id)?.give_back()?;
        let registers = self.task(id)?.stopped.registers()?;
        let stopped = match self.behind_unsteppable(id, &registers)? {
            Some(behind) => self.run_behind(id, behind)?,
            None => self.step_outside(id, &registers)?,
        };
        if let Some(Halt::Stopped(stop, registers)) = stopped {
            if fingerprint(&event).is_some() {
                return Err(self.missed(index, &event, stop, &registers));
            }
            self.arrived(index, &event, Ran::Stopped(stop, registers))?;
            self.end_count(id)?;
            self.retire(&event, &mut |_, _| ())?;
            return Ok(Stepped::Event);
        }
        let pc = self.task(id)?.stopped.registers()?.pc();
        self.standing_at = Some(pc);
        let branches = self.branches(id)?.ok_or_else(|| {
            Failure::Refused("the place of a task was lost while it was stepped".to_owned())
        })?;
        Ok(Stepped::Place(Exact { branches, pc }))
    }

    /// Lets the next event take effect, whose task stands at its place.
    fn take_next(&mut self) -> Result<(), Failure> {
        match self.step(&mut |_, _| ())? {
            Step::Event | Step::End => Ok(()),
            hit @ (Step::Hit { .. } | Step::Watched { .. } | Step::Paused) => {
                Err(Failure::Refused(format!("{hit:?} where none was asked for")))
            }
        }
    }

    /// Runs to a place behind the current instruction.
    pub(crate) fn run_behind(&mut self, id: TaskId, behind: Addr) -> Result<Option<Halt>, Failure> {
        let tests = BTreeMap::from([(behind, Test::always())]);
        self.set_tests(id, &tests)?;
        match self.run_translated(id, &tests, First::Test)? {
            Halt::Test(_) | Halt::Watched(_) | Halt::Paused(_) => Ok(None),
            stopped @ Halt::Stopped(..) => Ok(Some(stopped)),
        }
    }

    /// Behind an instruction that is not stepped: a repeated string instruction, which is one place however
    /// often it repeats, and one that shows the step.
    pub(crate) fn behind_unsteppable(
        &mut self,
        id: TaskId,
        registers: &Registers,
    ) -> Result<Option<Addr>, Failure> {
        let instruction = self.instruction_at(id, registers.pc())?;
        // A step shows in the flags that are pushed.
        let pushes = matches!(instruction.mnemonic(), Mnemonic::Pushf | Mnemonic::Pushfq);
        Ok((repeats(&instruction) || pushes).then(|| Addr::new(instruction.next_ip())))
    }

    /// The instruction at an address.
    pub(crate) fn instruction_at(&mut self, id: TaskId, pc: Addr) -> Result<Instruction, Failure> {
        let mut code = [0; LONGEST];
        let space = self.task(id)?.space;
        let got = self.task(id)?.memory.read(pc, &mut code).unwrap_or(0);
        self.sites.mask(space, pc, &mut code);
        let code = code.get(..got).unwrap_or_default();
        Ok(Decoder::with_ip(64, code, pc.get(), DecoderOptions::NONE).decode())
    }

    /// The instructions that may lead to `pc` without a branch: those of each length that ends there.
    pub(crate) fn instructions_before(
        &mut self,
        id: TaskId,
        pc: Addr,
    ) -> Result<Vec<Instruction>, Failure> {
        let mut found = Vec::new();
        for len in 1..=LONGEST as u64 {
            let Some(at) = pc.checked_sub(len) else { break };
            let instruction = self.instruction_at(id, at)?;
            if !instruction.is_invalid() && instruction.next_ip() == pc.get() {
                found.push(instruction);
            }
        }
        Ok(found)
    }
}
