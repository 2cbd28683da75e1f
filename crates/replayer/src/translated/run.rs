//! Running from the cache until something happens.

use std::collections::BTreeMap;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Mnemonic as M};
use retake_model::{Addr, Registers, Signal, TaskId};
use retake_ptrace::{Resume, StopEvent};
use retake_tracee::is_vsyscall;
use retake_translator::{Entry, Stop, Test};

use super::caches::TaskCode;
use crate::arrivals::Judge;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::run::Ran;
use crate::stepping::{LONGEST, repeats};

/// Steps that lead out of what the translator added, at most.
const STEPS_BETWEEN: usize = 64;

/// Why a task that ran translated stands still.
#[expect(clippy::large_enum_variant, reason = "passed on once, never kept")]
pub(crate) enum Halt {
    /// A test holds at this place. The task has not executed the instruction there.
    Test(Addr),
    /// Watched memory was accessed; the task is about to execute the instruction there.
    Watched(Addr),
    /// It has run for long, and stands where no test is.
    Paused(Addr),
    /// As natively.
    Stopped(StopEvent, Registers),
}

/// Whether a test at the place where a task stands is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    Test,
    GoOn,
}

/// What a task stopped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// The instruction that comes next, or whatever.
    Executes,
    /// The one before.
    Executed,
}

/// What matters of an instruction that is executed where it lies.
struct Outside {
    /// It stops the task, which needs no step for that.
    stops_by_itself: bool,
    is_branch: bool,
    /// It stores where the last x87 instruction was.
    shows_x87: bool,
}

impl Machine {
    /// Makes these the tests of the task's address space, which has a cache.
    pub(crate) fn set_tests(
        &mut self,
        id: TaskId,
        tests: &BTreeMap<Addr, Test>,
    ) -> Result<(), Failure> {
        let space = self.task(id)?.space;
        match self.caches.get(space) {
            Some(translator) => Ok(translator.set_tests(tests)?),
            None => Ok(()),
        }
    }

    /// Lets a task run from the cache until a test holds, or it stops as it does natively. Its registers are
    /// its own then.
    pub(crate) fn run_translated(
        &mut self,
        id: TaskId,
        tests: &BTreeMap<Addr, Test>,
        first: First,
    ) -> Result<Halt, Failure> {
        self.give_countdown(id)?;
        self.arm_watches(id)?;
        let ran = self.go_translated(id, tests, first);
        self.disarm_watches(id)?;
        self.take_countdown(id)?;
        if matches!(ran, Err(Failure::Interrupted)) {
            self.leave_cache(id, Why::Executes)?;
        }
        ran
    }

    fn go_translated(
        &mut self,
        id: TaskId,
        tests: &BTreeMap<Addr, Test>,
        first: First,
    ) -> Result<Halt, Failure> {
        self.start_count(id)?;
        self.say_who_runs(id)?;
        self.task(id)?.give_back()?;
        let mut program = self.task(id)?.stopped.registers()?;
        let mut first = first;
        let space = self.task(id)?.space;
        loop {
            if self.is_impatient(space) {
                self.task(id)?.go_on_with(&program)?;
                return Ok(Halt::Paused(program.pc()));
            }
            let (pc, test) = (program.pc(), std::mem::replace(&mut first, First::Test));
            let mut at = match self.enter(id, pc, test)? {
                Entry::Cache(at) => Registers { rip: at.get(), orig_rax: u64::MAX, ..program },
                // No code of the cache makes a test there.
                Entry::Outside if test == First::Test && tests.contains_key(&pc) => {
                    self.task(id)?.stopped.set_registers(&program)?;
                    return Ok(Halt::Test(pc));
                }
                Entry::Outside => match self.go_outside(id, &program)? {
                    Ok(registers) => {
                        program = registers;
                        continue;
                    }
                    Err(halt) => return Ok(halt),
                },
            };
            loop {
                self.shut_watched_pages(id)?;
                self.task(id)?.go_on_with(&at)?;
                let stop = self.resume_until(id, Resume::Emulate, self.pause_at)?;
                if self.is_watched(id, stop)? {
                    return self.behind_access(id);
                }
                let actual = self.task(id)?.stopped.registers()?;
                if self.met_shut_page(id, stop)? {
                    match self.pass_shut_page(id, &actual, tests)? {
                        Ok(registers) => program = registers,
                        Err(halt) => return Ok(halt),
                    }
                    break;
                }
                if stop == StopEvent::Signal(Signal::STOP) {
                    if let Some(registers) = self.pause(id, &actual, tests)? {
                        self.task(id)?.stopped.set_registers(&registers)?;
                        return Ok(Halt::Paused(registers.pc()));
                    }
                    at = actual;
                    continue;
                }
                match self.stopped_in_cache(id, &actual)? {
                    None => return Ok(Halt::Stopped(stop, actual)),
                    Some(Stop::Moved(registers)) => {
                        program = registers;
                        break;
                    }
                    Some(Stop::Outside(registers)) => {
                        // A test there was made already, unless no code of the cache is for that place.
                        let pc = registers.pc();
                        if tests.contains_key(&pc) && self.is_outside(id, pc)? {
                            self.task(id)?.stopped.set_registers(&registers)?;
                            return Ok(Halt::Test(pc));
                        }
                        match self.go_outside(id, &registers)? {
                            Ok(registers) => program = registers,
                            Err(halt) => return Ok(halt),
                        }
                        break;
                    }
                    Some(Stop::Test { registers }) => {
                        self.task(id)?.stopped.set_registers(&registers)?;
                        return Ok(Halt::Test(registers.pc()));
                    }
                    Some(Stop::At(registers)) if self.met_guard(id, stop)? => {
                        program = registers;
                        break;
                    }
                    Some(Stop::At(registers)) => {
                        if let Some(behind) = self.behind_question(id, stop, &registers)? {
                            program = behind;
                            break;
                        }
                        self.task(id)?.stopped.set_registers(&registers)?;
                        return Ok(Halt::Stopped(stop, registers));
                    }
                    Some(Stop::TestFailed(registers)) => at = registers,
                    Some(Stop::Between) => {
                        return Err(Failure::Refused(format!(
                            "{stop:?} at {:#x} within the code that runs the program's \
                             instructions: this is a fault of retake",
                            actual.rip
                        )));
                    }
                }
            }
        }
    }

    /// A task is about to write to a page that is shut: executes its instruction with the page open. Gives the
    /// registers after it, or why the task stands still: it may have written to watched memory.
    fn pass_shut_page(
        &mut self,
        id: TaskId,
        actual: &Registers,
        tests: &BTreeMap<Addr, Test>,
    ) -> Result<Result<Registers, Halt>, Failure> {
        let own = match self.stopped_in_cache(id, actual)? {
            None => *actual,
            Some(Stop::At(registers) | Stop::Outside(registers)) => registers,
            Some(_) => {
                let at = actual.rip;
                return Err(Failure::Refused(format!(
                    "a write at {at:#x} that the program does not make: this is a fault of retake"
                )));
            }
        };
        self.open_watched_pages()?;
        self.task(id)?.go_on_with(&own)?;
        let instruction = self.instruction_at(id, own.pc())?;
        let stopped = match self.behind_unsteppable(id, &own)? {
            Some(behind) => self.run_unwatched(id, behind)?,
            None => self.step_outside(id, &own)?,
        };
        if let Some(halt) = stopped {
            return Ok(Err(halt));
        }
        // The way to behind an instruction may have had others.
        self.set_tests(id, tests)?;
        let now = self.task(id)?.stopped.registers()?;
        if self.note_written(&instruction, &own, &now) {
            return Ok(Err(Halt::Watched(now.pc())));
        }
        self.watched.pages.passed()?;
        Ok(Ok(now))
    }

    /// The registers of a task that was stopped in the cache to pause. `None` if its state is not whole there, or
    /// is in doubt: within an instruction that repeats, and where a test is, which it may have made already.
    fn pause(
        &mut self,
        id: TaskId,
        actual: &Registers,
        tests: &BTreeMap<Addr, Test>,
    ) -> Result<Option<Registers>, Failure> {
        let space = self.task(id)?.space;
        let cache = self.caches.get(space);
        let pc = cache.and_then(|cache| cache.program_counter(actual.pc()));
        let Some(pc) = pc.filter(|pc| !tests.contains_key(pc)) else { return Ok(None) };
        let instruction = self.instruction_at(id, pc)?;
        if repeats(&instruction) || instruction.is_vsib() {
            return Ok(None);
        }
        Ok(match self.stopped_in_cache(id, actual)? {
            Some(Stop::At(registers)) => Some(registers),
            _ => None,
        })
    }

    /// The task has accessed watched memory: brings it to the instruction behind that.
    fn behind_access(&mut self, id: TaskId) -> Result<Halt, Failure> {
        self.disarm_watches(id)?;
        self.leave_cache(id, Why::Executed)?;
        if self.is_within_watched(id)? {
            let registers = self.task(id)?.stopped.registers()?;
            if let Some(behind) = self.behind_unsteppable(id, &registers)?
                && let Some(stopped) = self.run_unwatched(id, behind)?
            {
                return Ok(stopped);
            }
        }
        Ok(Halt::Watched(self.task(id)?.stopped.registers()?.pc()))
    }

    /// Runs to a place behind the current instruction, whatever that writes to.
    fn run_unwatched(&mut self, id: TaskId, behind: Addr) -> Result<Option<Halt>, Failure> {
        let watched = std::mem::take(&mut self.watched);
        let ran = self.run_behind(id, behind);
        self.watched = watched;
        ran
    }

    /// Lets a task run from the cache until it stops at a site or for an event.
    pub(crate) fn run_translated_until_stop(&mut self, id: TaskId) -> Result<Ran, Failure> {
        let tests = self.tests_at_sites(id)?;
        self.set_tests(id, &tests)?;
        let here = self.task(id)?.stopped.registers()?.pc();
        let mut first = if self.standing_at == Some(here) { First::GoOn } else { First::Test };
        self.standing_at = None;
        loop {
            match self.run_translated(id, &tests, first)? {
                Halt::Test(at)
                    if self.is_wanted(id, at)? || self.counts(id, at, Judge::Inside)? =>
                {
                    return Ok(Ran::Hit(at, self.task(id)?.stopped.registers()?));
                }
                Halt::Test(_) => first = First::GoOn,
                Halt::Watched(at) => return Ok(Ran::Watched(at)),
                Halt::Paused(at) => return Ok(Ran::Paused(at)),
                Halt::Stopped(stop, registers) => return Ok(Ran::Stopped(stop, registers)),
            }
        }
    }

    /// Where a task goes on whose program counter is `pc`.
    fn enter(&mut self, id: TaskId, pc: Addr, first: First) -> Result<Entry, Failure> {
        let space = self.task(id)?.space;
        let (Some(translator), Some(live), Some(task)) =
            (self.caches.get(space), self.spaces.get(&space), self.tasks.get(&id))
        else {
            return Ok(Entry::Outside);
        };
        let code = &mut TaskCode::new(&task.memory, &live.table, &self.sites, &self.guards, space);
        let entry = match first {
            First::Test => translator.enter(pc, code)?,
            First::GoOn => translator.enter_behind_test(pc, code)?,
        };
        let pages = std::mem::take(&mut code.to_guard);
        self.guard(id, pages)?;
        Ok(entry)
    }

    pub(crate) fn is_outside(&mut self, id: TaskId, pc: Addr) -> Result<bool, Failure> {
        Ok(self.enter(id, pc, First::Test)? == Entry::Outside)
    }

    fn stopped_in_cache(
        &mut self,
        id: TaskId,
        registers: &Registers,
    ) -> Result<Option<Stop>, Failure> {
        self.stopped_for(id, registers, Why::Executes)
    }

    fn stopped_for(
        &mut self,
        id: TaskId,
        registers: &Registers,
        why: Why,
    ) -> Result<Option<Stop>, Failure> {
        let space = self.task(id)?.space;
        let Some(translator) = self.caches.get(space) else { return Ok(None) };
        Ok(match why {
            Why::Executes => translator.stopped(registers)?,
            Why::Executed => translator.stopped_behind(registers)?,
        })
    }

    /// Executes one instruction where it lies, and gives the registers after it, or why the task stands still.
    fn go_outside(
        &mut self,
        id: TaskId,
        registers: &Registers,
    ) -> Result<Result<Registers, Halt>, Failure> {
        let instruction = match self.watched.is_wanted() {
            true => Some(self.instruction_at(id, registers.pc())?),
            false => None,
        };
        if let Some(stop) = self.step_outside(id, registers)? {
            return Ok(Err(stop));
        }
        let now = self.task(id)?.stopped.registers()?;
        Ok(match instruction {
            Some(instruction) if self.note_written(&instruction, registers, &now) => {
                Err(Halt::Watched(now.pc()))
            }
            _ => Ok(now),
        })
    }

    /// Executes one instruction where it lies. Gives the stop if that leads to one.
    pub(crate) fn step_outside(
        &mut self,
        id: TaskId,
        registers: &Registers,
    ) -> Result<Option<Halt>, Failure> {
        self.open_watched_pages()?;
        let pc = registers.pc();
        let space = self.task(id)?.space;
        let outside = self.look_outside(id, pc)?;
        let stops = outside.stops_by_itself || is_vsyscall(registers);
        let how = if stops { Resume::Emulate } else { Resume::EmulateStep };
        self.task(id)?.go_on_with(registers)?;
        if outside.shows_x87 {
            self.own_x87_pointer(id)?;
        }
        let site = self.remove_site(space, pc)?;
        let stop = self.resume_until(id, how, None);
        if let Some(counts) = site {
            self.install_site(space, pc, counts)?;
        }
        let stop = stop?;
        let actual = self.task(id)?.stopped.registers()?;
        if let Some(behind) = self.behind_question(id, stop, &actual)? {
            self.task(id)?.go_on_with(&behind)?;
            return Ok(None);
        }
        let stepped = how == Resume::EmulateStep && stop == StopEvent::Signal(Signal::TRAP);
        if stepped
            && outside.is_branch
            && let Some(translator) = self.caches.get(space)
        {
            translator.count_outside(pc)?;
        }
        Ok((!stepped).then_some(Halt::Stopped(stop, actual)))
    }

    fn look_outside(&mut self, id: TaskId, pc: Addr) -> Result<Outside, Failure> {
        let mut code = [0; LONGEST];
        let space = self.task(id)?.space;
        let got = self.task(id)?.memory.read(pc, &mut code).unwrap_or(0);
        self.sites.mask(space, pc, &mut code);
        let code = code.get(..got).unwrap_or_default();
        let instruction = Decoder::with_ip(64, code, pc.get(), DecoderOptions::NONE).decode();
        let flow = instruction.flow_control();
        Ok(Outside {
            // `int3`, `int n` and `int1`; without the flag of a step in what they save.
            stops_by_itself: matches!(code, [0x0f, 0x05, ..] | [0xcc | 0xcd | 0xf1, _, ..]),
            is_branch: instruction.is_call_near()
                || matches!(
                    flow,
                    FlowControl::UnconditionalBranch
                        | FlowControl::IndirectBranch
                        | FlowControl::ConditionalBranch
                        | FlowControl::Return
                        | FlowControl::IndirectCall
                        | FlowControl::XbeginXabortXend
                ),
            shows_x87: matches!(
                instruction.mnemonic(),
                M::Fnstenv
                    | M::Fnsave
                    | M::Fxsave
                    | M::Fxsave64
                    | M::Xsave
                    | M::Xsave64
                    | M::Xsavec
                    | M::Xsavec64
                    | M::Xsaveopt
                    | M::Xsaveopt64
            ),
        })
    }

    /// Makes the x87 instruction pointer one of the program's code (Intel SDM vol. 1, 13.4.1: bytes 8 to 15 of the
    /// XSAVE area).
    fn own_x87_pointer(&mut self, id: TaskId) -> Result<(), Failure> {
        const POINTER: std::ops::Range<usize> = 8..16;
        let task = self.task(id)?;
        let space = task.space;
        let vector = task.stopped.vector()?;
        let pointer = vector.as_bytes().get(POINTER).and_then(|bytes| bytes.try_into().ok());
        let Some(pointer) = pointer.map(u64::from_le_bytes).map(Addr::new) else { return Ok(()) };
        let own = self.caches.get(space).and_then(|cache| cache.program_counter(pointer));
        let Some(own) = own else { return Ok(()) };
        let mut bytes = vector.as_bytes().to_vec();
        if let Some(place) = bytes.get_mut(POINTER) {
            place.copy_from_slice(&own.get().to_le_bytes());
        }
        Ok(self.task(id)?.stopped.set_vector(&retake_model::VectorState::from_bytes(bytes))?)
    }

    /// Gives a task that was stopped in the cache its own registers.
    fn leave_cache(&mut self, id: TaskId, why: Why) -> Result<(), Failure> {
        for _ in 0..STEPS_BETWEEN {
            let actual = self.task(id)?.stopped.registers()?;
            let own = match self.stopped_for(id, &actual, why)? {
                None => return Ok(()),
                Some(
                    Stop::Moved(registers)
                    | Stop::Outside(registers)
                    | Stop::At(registers)
                    | Stop::Test { registers },
                ) => registers,
                Some(Stop::TestFailed(registers)) => {
                    self.task(id)?.stopped.set_registers(&registers)?;
                    continue;
                }
                Some(Stop::Between) => {
                    let _ = self.task(id)?.stopped.resume_and_wait(Resume::EmulateStep, None)?;
                    continue;
                }
            };
            self.task(id)?.stopped.set_registers(&own)?;
            return Ok(());
        }
        Err(Failure::Refused("a task does not come out of the code cache".to_owned()))
    }
}
