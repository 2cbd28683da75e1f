//! Letting a diverted task run.

use std::sync::atomic::Ordering;
use std::time::Duration;

use retake_execution::{Diverted, Go};
use retake_model::{Addr, Protection, Registers, Signal, TaskId};
use retake_ptrace::{Resume, StopEvent, cpuid, monotonic};

use super::Divert;
use super::calls::Answer;
use super::others::behind_call;
use crate::failure::Failure;

/// How long a task runs at most.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// How long it runs before others do, where they are to run.
const SLICE: Duration = Duration::from_millis(20);
pub(super) const INT3: [u8; 1] = [0xcc];
const RDTSC: [u8; 2] = [0x0f, 0x31];
const RDTSCP: [u8; 3] = [0x0f, 0x01, 0xf9];
const CPUID: [u8; 2] = [0x0f, 0xa2];

/// A breakpoint in the program's code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Covered {
    pub(super) addr: Addr,
    /// What was there before.
    pub(super) byte: [u8; 1],
}

impl Divert {
    pub(super) fn go(
        &mut self,
        id: TaskId,
        go: Go,
        breakpoints: &[Addr],
    ) -> Result<Diverted, Failure> {
        let until = monotonic() + LONGEST;
        let here = self.machine.task(id)?.stopped.registers()?.pc();
        if go == Go::OneInstruction {
            return self.leg(id, Resume::EmulateStep, &[], until);
        }
        if breakpoints.contains(&here) {
            match self.leg(id, Resume::EmulateStep, &[], until)? {
                Diverted::Stepped => {}
                other => return Ok(other),
            }
        }
        self.leg(id, Resume::Emulate, breakpoints, until)
    }

    /// Runs with breakpoints in the program's code, which are gone afterwards.
    fn leg(
        &mut self,
        id: TaskId,
        how: Resume,
        breakpoints: &[Addr],
        until: Duration,
    ) -> Result<Diverted, Failure> {
        let mut covered = Vec::new();
        let space = self.machine.task(id)?.space;
        for addr in breakpoints {
            let mut byte = [0];
            let mapping = self.machine.space(space).table.find(*addr);
            let runs = mapping.is_some_and(|mapping| mapping.prot.allows(Protection::EXEC));
            let task = self.machine.task(id)?;
            // Elsewhere it is data that the program reads: gdb has calls return to its stack.
            if runs && task.memory.read_exact(*addr, &mut byte).is_ok() {
                task.memory.write(*addr, &INT3)?;
                covered.push(Covered { addr: *addr, byte });
            }
        }
        let ran = match self.run_on(id, how, &covered, until) {
            Err(Failure::Interrupted) => {
                // It was meant for this run alone.
                self.machine.control.interrupt.store(false, Ordering::SeqCst);
                Ok(Diverted::Over("it was interrupted".to_owned()))
            }
            // A task that returns to a breakpoint where no code is has arrived.
            Ok(Diverted::Signal(Signal::SEGV)) => {
                let at = self.machine.task(id)?.stopped.registers()?.pc();
                let arrived = breakpoints.contains(&at);
                Ok(if arrived { Diverted::Breakpoint(at) } else { Diverted::Signal(Signal::SEGV) })
            }
            ran => ran,
        };
        for Covered { addr, byte } in covered {
            // The process may be gone.
            if let Ok(task) = self.machine.task(id) {
                let _ = task.memory.write(addr, &byte);
            }
        }
        ran
    }

    fn run_on(
        &mut self,
        id: TaskId,
        how: Resume,
        covered: &[Covered],
        until: Duration,
    ) -> Result<Diverted, Failure> {
        loop {
            let pause = if self.others.run() { until.min(monotonic() + SLICE) } else { until };
            let stop = self.machine.resume_until(id, how, Some(pause))?;
            let registers = self.machine.task(id)?.stopped.registers()?;
            match stop {
                StopEvent::Syscall => match self.answer(id, &registers)? {
                    Answer::Result(result) => {
                        self.machine.task(id)?.go_on_with(&behind_call(&registers, result))?;
                    }
                    Answer::Waits(word) => {
                        if let Some(over) = self.wait_for_others(id, word, covered, until)? {
                            return Ok(over);
                        }
                    }
                    Answer::Over(why) => return Ok(Diverted::Over(why)),
                },
                StopEvent::Signal(Signal::TRAP) if how == Resume::EmulateStep => {
                    return Ok(Diverted::Stepped);
                }
                StopEvent::Signal(Signal::TRAP) => {
                    let at = Addr::new(registers.rip.wrapping_sub(1));
                    if !covered.iter().any(|site| site.addr == at) {
                        return Ok(Diverted::Signal(Signal::TRAP));
                    }
                    let at_it = Registers { rip: at.get(), ..registers };
                    self.machine.task(id)?.go_on_with(&at_it)?;
                    return Ok(Diverted::Breakpoint(at));
                }
                StopEvent::Signal(Signal::STOP) if monotonic() < until => {
                    self.give_way(id, covered, until)?;
                    continue;
                }
                StopEvent::Signal(Signal::STOP) => {
                    let seconds = LONGEST.as_secs();
                    return Ok(Diverted::Over(format!("it has run for {seconds} s")));
                }
                StopEvent::Signal(Signal::SEGV) if self.emulate(id, &registers)? => {}
                StopEvent::Signal(signal) => return Ok(Diverted::Signal(signal)),
                other => {
                    return Ok(Diverted::Over(format!("it stopped for {other:?}")));
                }
            }
            if how == Resume::EmulateStep {
                return Ok(Diverted::Stepped);
            }
        }
    }

    /// Executes an instruction that traps in recorded programs. False if it is another one.
    pub(super) fn emulate(&mut self, id: TaskId, registers: &Registers) -> Result<bool, Failure> {
        let mut code = [0; 3];
        let task = self.machine.task(id)?;
        let got = task.memory.read(registers.pc(), &mut code)?;
        let code = code.get(..got).unwrap_or_default();
        let mut after = *registers;
        if code.starts_with(&RDTSC) || code == RDTSCP {
            self.counter += 1000;
            after.rax = self.counter & u64::from(u32::MAX);
            after.rdx = self.counter >> 32;
            if code == RDTSCP {
                after.rcx = 0;
            }
            after.rip += if code == RDTSCP { 3 } else { 2 };
        } else if code.starts_with(&CPUID) {
            let low = |register: u64| u32::try_from(register & u64::from(u32::MAX)).unwrap_or(0);
            let answer = cpuid(low(registers.rax), low(registers.rcx));
            after.rax = answer.eax.into();
            after.rbx = answer.ebx.into();
            after.rcx = answer.ecx.into();
            after.rdx = answer.edx.into();
            after.rip += 2;
        } else {
            return Ok(false);
        }
        self.machine.task(id)?.go_on_with(&after)?;
        Ok(true)
    }
}
