//! Writes to more memory than debug registers hold: its pages are write-protected while a task runs.
//!
//! A write to such a page faults. The instruction is executed by itself then, with the page open, and where it
//! writes says whether the watched memory is meant. So each write to the same page costs some 100 µs, also
//! one beside that memory. Where there are many of these, and the watched memory is not too large, the run is
//! given up ([`Failure::BusyPage`]): debug registers find it in several passes.

use std::collections::BTreeSet;

use iced_x86::{Instruction, InstructionInfoFactory, OpAccess, Register, UsedMemory};
use retake_model::{
    Addr, AddrRange, PageAddr, Protection, RegisterName, Registers, Signal, TaskId,
};
use retake_ptrace::StopEvent;

use crate::failure::Failure;
use crate::machine::Machine;
use crate::stepping::repeats;

/// `SEGV_ACCERR` (sigaction(2)): the page is there, but not for this access.
const NOT_ALLOWED: i32 = 2;

/// Writes beside the watched memory that are put up with: half a second.
const MOST_BESIDE: u32 = 5_000;

/// What becomes of a run in which many writes are beside the watched memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WhenBusy {
    /// There is no other way.
    #[default]
    GoOn,
    GiveUp,
}

/// Pages of watched memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchedPages {
    wanted: BTreeSet<PageAddr>,
    /// Those that are write-protected now.
    shut: BTreeSet<PageAddr>,
    when_busy: WhenBusy,
    /// Writes to them that were beside the watched memory.
    beside: u32,
}

impl WatchedPages {
    /// The pages of these ranges.
    pub(super) fn of(ranges: impl Iterator<Item = AddrRange>, when_busy: WhenBusy) -> Self {
        let wanted = ranges.flat_map(|range| range.to_pages().pages()).collect();
        Self { wanted, shut: BTreeSet::new(), when_busy, beside: 0 }
    }

    /// A write was beside the watched memory.
    pub(crate) fn passed(&mut self) -> Result<(), Failure> {
        self.beside = self.beside.saturating_add(1);
        match self.when_busy {
            WhenBusy::GiveUp if self.beside > MOST_BESIDE => Err(Failure::BusyPage),
            WhenBusy::GiveUp | WhenBusy::GoOn => Ok(()),
        }
    }

    /// The protection of `range` is another one, or its memory is.
    pub(super) fn forget_range(&mut self, range: AddrRange) {
        self.shut.retain(|page| !page.range().overlaps(range));
    }
}

/// What an instruction writes to, as far as registers tell.
fn written(instruction: &Instruction, before: &Registers, after: &Registers) -> Vec<AddrRange> {
    if repeats(instruction) {
        let size = instruction.memory_size().size() as u64;
        // From one end of what was written to the other, whichever way.
        let (a, b) = (before.get(RegisterName::Rdi), after.get(RegisterName::Rdi));
        let (low, high) = (a.min(b), a.max(b));
        let moved_down = b < a;
        let (low, high) = if moved_down { (low + size, high + size) } else { (low, high) };
        return AddrRange::new(Addr::new(low), Addr::new(high)).into_iter().collect();
    }
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(instruction);
    let range = |memory: &UsedMemory| {
        let addr = memory.virtual_address(0, |register, _, _| value(register, before))?;
        AddrRange::with_len(Addr::new(addr), memory.memory_size().size().max(1) as u64)
    };
    let writes = |memory: &&UsedMemory| {
        matches!(
            memory.access(),
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        )
    };
    info.used_memory().iter().filter(writes).filter_map(range).collect()
}

fn value(register: Register, registers: &Registers) -> Option<u64> {
    match register {
        Register::FS => Some(registers.fs_base),
        Register::GS => Some(registers.gs_base),
        register if register.is_segment_register() => Some(0),
        register => {
            let name = format!("{:?}", register.full_register()).to_ascii_lowercase();
            RegisterName::from_name(&name).map(|name| registers.get(name))
        }
    }
}

impl Machine {
    /// Write-protects the watched pages of a task that is about to run. Its registers are whoever's afterwards.
    pub(crate) fn shut_watched_pages(&mut self, id: TaskId) -> Result<(), Failure> {
        let space = self.task(id)?.space;
        let pages = &self.watched.pages;
        if pages.wanted.len() == pages.shut.len() || self.watched.space != Some(space) {
            return Ok(());
        }
        let open: Vec<PageAddr> = pages.wanted.difference(&pages.shut).copied().collect();
        for page in open {
            self.protect_watched(id, page, |prot| prot.without(Protection::WRITE))?;
            self.watched.pages.shut.insert(page);
        }
        Ok(())
    }

    /// Lets the program write to the watched pages as it may. The registers of its tasks stay.
    pub(crate) fn open_watched_pages(&mut self) -> Result<(), Failure> {
        let shut = std::mem::take(&mut self.watched.pages.shut);
        let Some(space) = self.watched.space.filter(|_| !shut.is_empty()) else { return Ok(()) };
        let Some(id) = self.task_in(space).map(|task| task.id) else { return Ok(()) };
        self.task(id)?.give_back()?;
        let own = self.task(id)?.stopped.registers()?;
        for page in shut {
            self.protect_watched(id, page, |prot| prot)?;
        }
        self.task(id)?.go_on_with(&own)
    }

    fn protect_watched(
        &mut self,
        id: TaskId,
        page: PageAddr,
        how: impl FnOnce(Protection) -> Protection,
    ) -> Result<(), Failure> {
        let space = self.task(id)?.space;
        match self.space(space).table.find(page.addr()).map(|mapping| mapping.prot) {
            Some(prot) => self.task(id)?.protect(page.range(), how(prot)),
            // It was unmapped meanwhile.
            None => Ok(()),
        }
    }

    /// Whether the task was stopped because it wrote to a page that is shut.
    pub(crate) fn met_shut_page(&mut self, id: TaskId, stop: StopEvent) -> Result<bool, Failure> {
        let shut = &self.watched.pages.shut;
        if stop != StopEvent::Signal(Signal::SEGV) || shut.is_empty() {
            return Ok(false);
        }
        let info = self.task(id)?.stopped.siginfo()?;
        let page = info.fault_addr().page();
        let shut = &self.watched.pages.shut;
        // A write of several bytes can begin on the page before.
        let next_is_shut = || page.next().is_some_and(|next| shut.contains(&next));
        Ok(info.code() == NOT_ALLOWED && (shut.contains(&page) || next_is_shut()))
    }

    /// The instruction at `before`, with which a task goes from there to `after`, was executed: notes whether it
    /// wrote to watched memory.
    pub(crate) fn note_written(
        &mut self,
        instruction: &Instruction,
        before: &Registers,
        after: &Registers,
    ) -> bool {
        let written = written(instruction, before, after);
        let touched = written.into_iter().find_map(|range| self.watched.touched(range));
        self.watched.hit = touched.or(self.watched.hit);
        touched.is_some()
    }
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::*;

    fn of(code: &[u8], before: &Registers, after: &Registers) -> Vec<(u64, u64)> {
        let instruction = Decoder::with_ip(64, code, 0x1000, DecoderOptions::NONE).decode();
        let ranges = written(&instruction, before, after);
        ranges.iter().map(|range| (range.start().get(), range.len())).collect()
    }

    #[test]
    fn what_is_written_is_read_from_registers() {
        let registers = Registers { rsp: 0x8000, rdi: 0x5000, rcx: 4, ..Registers::default() };
        let at = |code: &[u8]| of(code, &registers, &registers);
        // mov [rdi+rcx*8], eax; push rax; call; mov eax, [rdi]
        assert_eq!(at(&[0x89, 0x04, 0xcf]), [(0x5020, 4)]);
        assert_eq!(at(&[0x50]), [(0x7ff8, 8)]);
        assert_eq!(at(&[0xe8, 0, 0, 0, 0]), [(0x7ff8, 8)]);
        assert_eq!(at(&[0x8b, 0x07]), []);
        // rep stosq, up and down
        let stos = [0xf3, 0x48, 0xab];
        let up = Registers { rdi: 0x5020, rcx: 0, ..registers };
        assert_eq!(of(&stos, &registers, &up), [(0x5000, 0x20)]);
        let down = Registers { rdi: 0x4fe0, rcx: 0, ..registers };
        assert_eq!(of(&stos, &registers, &down), [(0x4fe8, 0x20)]);
    }
}
