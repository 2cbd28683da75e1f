//! Debug registers that a tracer in the recording has set: its watchpoints stop the task, and the recorder does
//! without any in that task.

use retake_abi::Errno;
use retake_model::{Addr, Registers, SigInfo};
use retake_ptrace::{Stopped, WATCHPOINTS, WatchLen, Watchpoint, is_watchpoint};

use crate::error::RecordError;
use crate::next::Next;
use crate::places::midcode::normal;
use crate::session::Session;
use crate::tasks::Task;

/// Where they stand in `struct user`, and how many there are.
const PLACE: std::ops::Range<u64> = 848..912;
const COUNT: usize = 8;
const STATUS: usize = 6;
const CONTROL: usize = 7;
/// First address above user memory (4-level page tables).
const USER_END: u64 = 0x7fff_ffff_f000;

/// The debug registers of a task, as its tracer knows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DebugRegisters([u64; COUNT]);

/// Which register a word of `struct user` is.
fn index(offset: u64) -> Option<usize> {
    PLACE.contains(&offset).then(|| usize::try_from((offset - PLACE.start) / 8).ok()).flatten()
}

impl DebugRegisters {
    /// The one that stands there.
    pub(super) fn at(&self, offset: u64) -> Option<u64> {
        self.0.get(index(offset)?).copied()
    }

    /// Sets one. Nothing: it is none that stands there.
    pub(super) fn set(&mut self, offset: u64, value: u64) -> Option<Result<(), Errno>> {
        let index = index(offset)?;
        let mut changed = *self;
        *changed.0.get_mut(index)? = value;
        let fits = match index {
            ..WATCHPOINTS => value < USER_END,
            STATUS => true,
            CONTROL => changed.points().len() == changed.enabled().count(),
            _ => return Some(Err(Errno::EIO)),
        };
        if !fits {
            return Some(Err(Errno::EINVAL));
        }
        *self = changed;
        Some(Ok(()))
    }

    fn enabled(&self) -> impl Iterator<Item = usize> {
        let [.., control] = self.0;
        (0..WATCHPOINTS).filter(move |index| control >> (2 * index) & 3 != 0)
    }

    /// What they stop at, with the number of each (Intel SDM vol. 3, 19.2.4).
    fn points(&self) -> Vec<(usize, Watchpoint)> {
        let [.., control] = self.0;
        let point = |index: usize| {
            let field = control >> (16 + 4 * index) & 0xf;
            let address = Addr::new(*self.0.get(index)?);
            let len = match field >> 2 {
                0b00 => WatchLen::One,
                0b01 => WatchLen::Two,
                0b11 => WatchLen::Four,
                _ => WatchLen::Eight,
            };
            let point = match field & 3 {
                0b00 if len == WatchLen::One => Watchpoint::Execute(address),
                0b01 => Watchpoint::Write(address, len),
                0b11 => Watchpoint::Access(address, len),
                _ => return None,
            };
            Some((index, point))
        };
        self.enabled().filter_map(point).collect()
    }

    /// The nth of those that are set was hit.
    fn hit(&mut self, nth: usize) {
        let found = self.enabled().nth(nth);
        if let (Some(index), Some(status)) = (found, self.0.get_mut(STATUS)) {
            *status |= 1 << index;
        }
    }
}

impl Task {
    /// Whether a tracer has set its debug registers.
    pub(crate) fn is_watched_by_tracer(&self) -> bool {
        self.traced.as_ref().is_some_and(|traced| traced.debug.enabled().next().is_some())
    }

    /// The task is about to run: with the debug registers of its tracer, if that has set any.
    pub(crate) fn watch_for_tracer(&mut self, stopped: &mut Stopped) -> Result<(), RecordError> {
        let Some(traced) = &mut self.traced else { return Ok(()) };
        let points: Vec<_> = traced.debug.points().into_iter().map(|(_, point)| point).collect();
        if points.is_empty() && !traced.watches {
            return Ok(());
        }
        traced.watches = !points.is_empty();
        self.disarm(stopped)?;
        stopped.set_watchpoints(&points)?;
        let registers = stopped.registers()?;
        if points.contains(&Watchpoint::Execute(registers.pc())) {
            // It was told of that one.
            stopped.set_registers(&registers.with_resume_flag())?;
        }
        Ok(())
    }

    /// Notes for its tracer which of them has stopped the task.
    pub(super) fn note_hit(&mut self, stopped: &Stopped) -> Result<(), RecordError> {
        let Some(traced) = self.traced.as_mut().filter(|traced| traced.watches) else {
            return Ok(());
        };
        if let Some(nth) = stopped.hit_watchpoint()? {
            traced.debug.hit(nth);
        }
        Ok(())
    }
}

impl Task {
    /// Whether a SIGTRAP is that of a debug register which the self's tracer has set.
    pub(crate) fn is_tracers_watchpoint(&self, info: &SigInfo, pc: Addr) -> bool {
        self.is_watched_by_tracer() && is_watchpoint(info, pc, &self.memory)
    }
}

impl Session {
    /// It is: that is an event in the middle of code, and the tracer is told.
    pub(crate) fn at_tracers_watchpoint(
        &mut self,
        task: &mut Task,
        mut stopped: Stopped,
        info: SigInfo,
    ) -> Result<Next, RecordError> {
        task.note_hit(&stopped)?;
        let registers: Registers = normal(&stopped.registers()?);
        if task.mid_code || registers != task.registers {
            stopped = self.preempt(task, stopped, None)?;
        }
        let here = task.registers;
        self.world.report_signal(&mut self.book, task, stopped, &here, info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_become_watchpoints() {
        let mut debug = DebugRegisters::default();
        let first = PLACE.start;
        assert_eq!(debug.set(first + 8, 0x1000), Some(Ok(())));
        // Register 1: writes of 8 bytes.
        assert_eq!(debug.set(first + 56, 0b1001 << 20 | 0b100), Some(Ok(())));
        let write = Watchpoint::Write(Addr::new(0x1000), WatchLen::Eight);
        assert_eq!(debug.points(), [(1, write)]);
        debug.hit(0);
        assert_eq!(debug.at(first + 48), Some(0b10));
        assert_eq!(debug.at(first - 8), None);
    }

    #[test]
    fn what_no_processor_does_is_refused() {
        let mut debug = DebugRegisters::default();
        let first = PLACE.start;
        assert_eq!(debug.set(first, u64::MAX), Some(Err(Errno::EINVAL)), "not a user's address");
        assert_eq!(
            debug.set(first + 56, 0b0010 << 16 | 1),
            Some(Err(Errno::EINVAL)),
            "input and output"
        );
        assert_eq!(debug.set(first + 32, 0), Some(Err(Errno::EIO)), "there is no such register");
        assert_eq!(debug.set(0, 0), None);
    }
}
