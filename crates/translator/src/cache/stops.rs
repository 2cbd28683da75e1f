//! What a task that stopped in the cache came to.

use std::io;

use retake_model::{Addr, Registers};

use super::{Pending, Translator, UNKNOWN};
use crate::layout::Left;
use crate::memory::CacheMemory;
use crate::points::{Point, PointKind, Points};
use crate::register::{Gpr, Spilled};
use crate::unit::{Exit, IndirectBranch};

/// What a task that stopped in the cache came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The program is at another place, which is entered next.
    Moved(Registers),
    /// The program is at an instruction that cannot be executed from the cache.
    Outside(Registers),
    /// A test holds.
    Test {
        /// The program's registers.
        registers: Registers,
    },
    /// The state is the program's before the instruction that it stopped at, or behind the one that made a
    /// call.
    At(Registers),
    /// It stopped within something that was added: a step leads on.
    Between,
    /// A test read memory that is not there. The task goes on with these registers, as they are.
    TestFailed(Registers),
}

impl<M: CacheMemory> Translator<M> {
    /// What a task came to that stopped with these registers. `None` if it is not in the cache.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn stopped(&mut self, registers: &Registers) -> io::Result<Option<Stop>> {
        self.stopped_at(registers, Points::find)
    }

    /// The same of a task that stopped for what it has just executed.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn stopped_behind(&mut self, registers: &Registers) -> io::Result<Option<Stop>> {
        self.stopped_at(registers, Points::find_behind)
    }

    fn stopped_at(
        &mut self,
        registers: &Registers,
        which: impl Fn(&Points, u32) -> Option<&Point>,
    ) -> io::Result<Option<Stop>> {
        let Some(offset) = self.room.offset(registers.pc()) else { return Ok(None) };
        let left = self.left()?;
        if offset == self.common_stop || offset == self.miss_stop {
            return self.left_by_exit(registers, &left).map(Some);
        }
        let Some(point) = self.point_by(offset, which).copied() else {
            return Ok(Some(Stop::Between));
        };
        let mut program = restored(registers, &left, point.spilled);
        program.rip = point.pc.get();
        if matches!(point.kind, PointKind::Exact | PointKind::Call | PointKind::Fallible) {
            self.set_right(&left, point.ahead)?;
        }
        Ok(Some(match point.kind {
            PointKind::Exact => Stop::At(program),
            PointKind::Between => Stop::Between,
            PointKind::Fallible => Stop::Outside(program),
            // The processor keeps where a call returns to in `rcx` (Intel SDM vol. 2, SYSCALL).
            PointKind::Call => Stop::At(Registers { rcx: program.rip, ..program }),
            PointKind::Test { passed } => {
                Stop::TestFailed(Registers { rip: self.at(passed).get(), ..*registers })
            }
        }))
    }

    fn left_by_exit(&mut self, registers: &Registers, left: &Left) -> io::Result<Stop> {
        let pair = Spilled::NONE.with(Gpr::RAX).with(Gpr::RCX).with(Gpr::R11);
        let mut program = restored(registers, left, pair);
        program.orig_rax = u64::MAX;
        let number = u32::try_from(registers.orig_rax).unwrap_or(UNKNOWN);
        let exit = usize::try_from(number).ok().and_then(|n| self.exits.get(n)).copied();
        let Some(exit) = exit.filter(|_| number != UNKNOWN) else {
            self.statistics.unknown += 1;
            let to = Addr::new(left.target());
            if !is_canonical(to)
                && let Some(branch) = self.noted_branch(left)
            {
                // It faults where it is (Intel SDM vol. 2, JMP, CALL and RET), and was counted already.
                self.set_right(left, 1)?;
                program.rip = branch.pc.get();
                program.rsp = program.rsp.wrapping_add_signed(-branch.moved);
                return Ok(Stop::Outside(program));
            }
            self.pending = Pending::Unknown { to };
            program.rip = to.get();
            return Ok(Stop::Moved(program));
        };
        Ok(match exit {
            Exit::Direct { to, hole } => {
                self.statistics.moved += 1;
                self.pending = Pending::Link { to, hole };
                program.rip = to.get();
                Stop::Moved(program)
            }
            Exit::Outside { pc } => {
                self.statistics.outside += 1;
                program.rip = pc.get();
                Stop::Outside(program)
            }
            Exit::Test { pc, ahead } => {
                self.set_right(left, ahead)?;
                self.statistics.tests += 1;
                program.rip = pc.get();
                Stop::Test { registers: program }
            }
            Exit::Changed { pc } => {
                program.rip = pc.get();
                // A fresh translation takes its place.
                self.drop_block(pc)?;
                Stop::Moved(program)
            }
        })
    }

    pub(super) fn noted_branch(&self, left: &Left) -> Option<IndirectBranch> {
        let number = usize::try_from(left.branch() & u64::from(u32::MAX)).ok()?;
        self.branches.get(number).copied()
    }

    /// The program counter of the program where a task is at an address in the cache.
    pub fn program_counter(&self, at: Addr) -> Option<Addr> {
        self.point_by(self.room.offset(at)?, Points::find).map(|point| point.pc)
    }

    fn point_by(
        &self,
        offset: u32,
        which: impl Fn(&Points, u32) -> Option<&Point>,
    ) -> Option<&Point> {
        let (_, points) = self.units.range(..=offset).next_back()?;
        which(points, offset)
    }
}

/// Whether an address can be one of a program: bits 47 to 63 are the same.
fn is_canonical(addr: Addr) -> bool {
    let high = addr.get().cast_signed() >> 47;
    high == 0 || high == -1
}

fn restored(registers: &Registers, left: &Left, spilled: Spilled) -> Registers {
    let mut program = *registers;
    for register in spilled.iter() {
        register.set(&mut program, left.register(register));
    }
    program
}
