//! Debug registers: stops at code and at accesses of memory that leave the program as it is.

use nix::libc;
use retake_model::{Addr, SigInfo, Signal};

use crate::sys::ptrace_with;
use crate::{ProcessMemory, PtraceError, Stopped};

/// How many there are.
pub const WATCHPOINTS: usize = 4;

/// What a debug register stops at (Intel SDM vol. 3, 19.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watchpoint {
    /// Before the instruction at this address.
    Execute(Addr),
    /// After an access of so many bytes at this address, a multiple of their number.
    Access(Addr, WatchLen),
    /// After a write to so many bytes at this address, a multiple of their number.
    Write(Addr, WatchLen),
}

/// How many bytes a debug register watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchLen {
    /// 1
    One,
    /// 2
    Two,
    /// 4
    Four,
    /// 8
    Eight,
}

impl WatchLen {
    /// The shortest that holds `bytes` bytes, if one does.
    pub fn holding(bytes: usize) -> Option<Self> {
        [Self::One, Self::Two, Self::Four, Self::Eight].into_iter().find(|len| len.bytes() >= bytes)
    }

    /// As a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The `LEN` field (Intel SDM vol. 3, 19.2.4).
    fn bits(self) -> u64 {
        match self {
            Self::One => 0b00,
            Self::Two => 0b01,
            Self::Four => 0b11,
            Self::Eight => 0b10,
        }
    }
}

const STATUS: usize = 6;
const CONTROL: usize = 7;
/// `R/W` of a data watchpoint for reads and writes.
const READ_WRITE: u64 = 0b11;
/// `R/W` of a data watchpoint for writes.
const WRITE: u64 = 0b01;

impl Watchpoint {
    /// The address.
    pub fn address(self) -> Addr {
        match self {
            Self::Execute(addr) | Self::Access(addr, _) | Self::Write(addr, _) => addr,
        }
    }

    fn control(self, index: usize) -> u64 {
        let kind = match self {
            Self::Execute(_) => 0,
            Self::Access(_, len) => len.bits() << 2 | READ_WRITE,
            Self::Write(_, len) => len.bits() << 2 | WRITE,
        };
        1 << (2 * index) | kind << (16 + 4 * index)
    }
}

impl Stopped {
    /// Sets the task's debug registers to these (the first [`WATCHPOINTS`] of them), and to nothing
    /// besides.
    ///
    /// # Errors
    /// When the task is gone, or the machine does not let debug registers be set.
    pub fn set_watchpoints(&mut self, list: &[Watchpoint]) -> Result<(), PtraceError> {
        self.set_debug_register(CONTROL, 0)?;
        let mut control = 0;
        for (index, watchpoint) in list.iter().enumerate().take(WATCHPOINTS) {
            self.set_debug_register(index, watchpoint.address().get())?;
            control |= watchpoint.control(index);
        }
        if control != 0 {
            self.set_debug_register(CONTROL, control)?;
        }
        Ok(())
    }

    /// Which of the watchpoints has stopped the task: the first one, by its place in the list that was set.
    /// For a stop at one of them ([`is_watchpoint`]).
    ///
    /// # Errors
    /// When the task is gone.
    pub fn hit_watchpoint(&self) -> Result<Option<usize>, PtraceError> {
        // The kernel clears what was hit before (arch/x86/kernel/traps.c, exc_debug_user).
        let hit = self.debug_register(STATUS)?;
        Ok((0..WATCHPOINTS).find(|index| hit >> index & 1 == 1))
    }

    /// Whether the SIGTRAP of a debug register waits to be reported: another stop came first.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn has_queued_watchpoint(&self) -> Result<bool, PtraceError> {
        let is_one = |info: &SigInfo| {
            info.signal() == Ok(Signal::TRAP) && matches!(info.code(), TRAP_HWBKPT | TRAP_BRKPT)
        };
        Ok(self.queued()?.iter().any(is_one))
    }

    /// Whether the signal of a fault or trap waits to be reported: another stop came first. The instruction
    /// that caused it has not been executed.
    ///
    /// # Errors
    /// When the task is gone.
    pub fn has_queued_fault(&self) -> Result<bool, PtraceError> {
        let faults = [Signal::SEGV, Signal::BUS, Signal::ILL, Signal::FPE, Signal::TRAP];
        let is_fault = |info: &SigInfo| {
            info.code() > 0 && info.signal().is_ok_and(|signal| faults.contains(&signal))
        };
        Ok(self.queued()?.iter().any(is_fault))
    }

    /// The first signals that wait for the task itself.
    pub(crate) fn queued(&self) -> Result<Vec<SigInfo>, PtraceError> {
        /// `struct ptrace_peeksiginfo_args` (ptrace(2)).
        #[repr(C)]
        struct Peek {
            offset: u64,
            flags: u32,
            count: i32,
        }
        const MOST: usize = 16;
        // Signals of the task itself are what this gives without flags. What is not there stays zero.
        let peek = Peek { offset: 0, flags: 0, count: 16 };
        let mut queued = [[0_u8; SigInfo::SIZE]; MOST];
        ptrace_with(
            "PTRACE_PEEKSIGINFO",
            libc::PTRACE_PEEKSIGINFO,
            self.tid(),
            (&raw const peek).expose_provenance(),
            &mut queued,
        )?;
        Ok(queued.into_iter().map(SigInfo::from_bytes).collect())
    }
}

/// What the kernel says of a trap by a debug register (sigaction(2)).
const TRAP_HWBKPT: i32 = 4;
/// What it says of `int1`, and of a trap whose cause is not known: see [`is_watchpoint`].
const TRAP_BRKPT: i32 = 1;

/// Whether a signal comes from a debug register: programs cannot set one themselves. The task stands at `pc`.
///
/// A hypervisor may lose the register that says so, DR6 (seen once in some 100 recordings). Then the kernel takes the trap
/// for that of an `int1` (arch/x86/kernel/traps.c, `exc_debug_user`). Where no such instruction stands, it is none.
pub fn is_watchpoint(info: &SigInfo, pc: Addr, memory: &ProcessMemory) -> bool {
    const INT1: u8 = 0xf1;
    if info.signal() != Ok(Signal::TRAP) {
        return false;
    }
    // It is a trap, but some hypervisors deliver it at the instruction, as a fault.
    let is_at_int1 = || {
        let mut around = [0; 2];
        let at = pc.checked_sub(1);
        let got = at.is_some_and(|at| memory.read_exact(at, &mut around).is_ok());
        got && around.contains(&INT1)
    };
    match info.code() {
        TRAP_HWBKPT => true,
        TRAP_BRKPT => !is_at_int1(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bits() {
        let at = Addr::new(0x1000);
        assert_eq!(Watchpoint::Execute(at).control(0), 0b1);
        assert_eq!(Watchpoint::Execute(at).control(2), 0b1_0000);
        assert_eq!(Watchpoint::Access(at, WatchLen::Eight).control(1), 0b1011 << 20 | 0b100);
        assert_eq!(Watchpoint::Access(at, WatchLen::One).control(0), 0b0011 << 16 | 0b1);
        assert_eq!(Watchpoint::Write(at, WatchLen::Four).control(0), 0b1101 << 16 | 0b1);
        assert_eq!(Watchpoint::Write(at, WatchLen::Eight).control(3), 0b1001 << 28 | 0b100_0000);
    }

    #[test]
    fn a_trap_without_a_cause_is_a_watchpoint() {
        let code = [0x90_u8, 0x90, 0xf1, 0x90, 0x90, 0x90];
        let base = (&raw const code).addr() as u64;
        let memory =
            ProcessMemory::new(retake_model::Tid::new(i32::try_from(std::process::id()).unwrap()));
        let is_one = |signal: u8, code: u8, pc: u64| {
            let mut bytes = [0; SigInfo::SIZE];
            (bytes[0], bytes[8]) = (signal, code);
            is_watchpoint(&SigInfo::from_bytes(bytes), Addr::new(pc), &memory)
        };
        assert!(is_one(5, 4, base + 3) && is_one(5, 1, base + 1) && is_one(5, 1, base + 4));
        assert!(!is_one(5, 1, base + 3), "behind int1");
        assert!(!is_one(5, 1, base + 2), "at int1");
        assert!(!is_one(5, 2, base + 1) && !is_one(11, 1, base + 1) && !is_one(5, 0, base));
        assert!(is_one(5, 1, 0x10), "nothing can be read there");
    }

    #[test]
    fn the_shortest_length_that_holds_a_word() {
        assert_eq!(WatchLen::holding(1), Some(WatchLen::One));
        assert_eq!(WatchLen::holding(3), Some(WatchLen::Four));
        assert_eq!(WatchLen::holding(8), Some(WatchLen::Eight));
        assert_eq!(WatchLen::holding(16), None);
    }
}
