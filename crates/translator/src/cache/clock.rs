//! The clock, counters, and calls whose answers are supplied, each of which sets it to zero.

use std::io;

use retake_model::{Addr, AddrRange, TaskId};

use super::Translator;
#[cfg(doc)]
use crate::conditions::Test;
use crate::layout::{Counter, Left};
use crate::memory::CacheMemory;
use crate::supply::{SuppliedAt, Supply};
use crate::unit::IndirectBranch;

impl<M: CacheMemory> Translator<M> {
    /// The task has executed the branch at `pc` outside the cache.
    ///
    /// # Errors
    /// When the memory cannot be read or written.
    pub fn count_outside(&mut self, pc: Addr) -> io::Result<()> {
        if self.limits.notes {
            let number = self.branches.len() as u64;
            self.branches.push(IndirectBranch { pc, moved: 0 });
            let place = self.room.branch_slot() - self.room.addr(0);
            self.memory.write(place, &number.to_le_bytes())?;
        }
        let left = self.left()?;
        self.set_right(&left, -1)
    }

    /// Has each branch noted from now on: what was translated before is dropped.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn note_branches(&mut self) -> io::Result<()> {
        if self.limits.notes {
            return Ok(());
        }
        self.limits.notes = true;
        self.empty()
    }

    /// The branch that the task has executed last, where each is noted.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn last_branch(&self) -> io::Result<Option<Addr>> {
        let branch = self.noted_branch(&self.left()?);
        Ok(branch.filter(|_| self.limits.notes).map(|branch| branch.pc))
    }

    /// Takes from the clock what it has counted ahead: the task goes on where a block begins.
    pub(super) fn set_right(&mut self, left: &Left, ahead: i8) -> io::Result<()> {
        if ahead == 0 {
            return Ok(());
        }
        let (word, shown) = left.first_clock_word();
        let right = shown.wrapping_add_signed(-i64::from(ahead));
        self.memory.write(word, &right.to_le_bytes())
    }

    pub(super) fn left(&self) -> io::Result<Left> {
        let mut bytes = [0; Left::LEN];
        self.memory.read(0, &mut bytes)?;
        Ok(Left::new(bytes))
    }

    /// Calls to supply: none yet.
    pub fn new_supply(&self) -> Supply {
        Supply::new(self.room)
    }

    /// Supplies the answers of the calls that the `syscall` at `at` is to make next. The task makes another one
    /// there after them. The clock begins at zero.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn supply(&mut self, at: SuppliedAt, mut calls: Supply) -> io::Result<()> {
        if self.supplied_at != Some(at) {
            let before = self.supplied_at.replace(at);
            let ats = before.into_iter().chain([at]).flat_map(SuppliedAt::all);
            for range in ats.filter_map(|at| AddrRange::with_len(at, 1)) {
                self.code_changed(range)?;
            }
        }
        self.put_supply(calls.encode(), 1)?;
        self.supply = Some(calls);
        let (clock, zeroes) = Left::zero_clock();
        self.memory.write(clock, &zeroes)?;
        self.clock_zero = 0;
        Ok(())
    }

    fn put_supply(&mut self, bytes: &[u8], ready: u64) -> io::Result<()> {
        let base = self.room.addr(0);
        let start = self.room.supply();
        self.memory.write(start - base, bytes)?;
        let words = [u64::from(start), ready].map(u64::to_le_bytes);
        self.memory.write(self.room.supply_next() - base, words.as_flattened())
    }

    /// How many of the supplied calls the task has taken. The others are not supplied any more.
    ///
    /// # Errors
    /// When the memory cannot be read or written.
    pub fn end_supply(&mut self) -> io::Result<usize> {
        let next = self.left()?.supply_next();
        self.put_supply(Supply::none(), 0)?;
        let taken = self.supply.take().map_or(0, |supply| supply.taken(next));
        self.statistics.supplied += taken as u64;
        Ok(taken)
    }

    /// Sets the clock to zero: an event happened.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn reset_clock(&mut self) -> io::Result<()> {
        self.clock_zero = self.left()?.clock();
        Ok(())
    }

    /// Branches that the task has executed since the clock was set, up to where it stopped last.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn branches(&self) -> io::Result<u64> {
        Ok(self.left()?.clock().wrapping_sub(self.clock_zero))
    }

    /// Says which task is about to run, for tests that ask.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn set_task(&mut self, task: TaskId) -> io::Result<()> {
        if self.task != Some(task) {
            self.task = Some(task);
            let place = self.room.task() - self.room.addr(0);
            self.memory.write(place, &u64::from(task.get()).to_le_bytes())?;
        }
        Ok(())
    }

    /// Sets a counter of tests.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn set_counter(&mut self, counter: Counter, value: u64) -> io::Result<()> {
        let place = self.room.counter(counter) - self.room.addr(0);
        self.memory.write(place, &value.to_le_bytes())
    }

    /// Where a counter is.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn counter(&self, counter: Counter) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.memory.read(self.room.counter(counter) - self.room.addr(0), &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// What [`Test::place`] is when the task has executed `branches` since the clock was set.
    pub fn branches_from(&self, branches: u64) -> u64 {
        self.clock_zero.wrapping_add(branches)
    }
}
