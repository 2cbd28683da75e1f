//! System calls that are recorded without a stop (the code is `retake_tracee::fast`).
//!
//! A call site that makes short calls again and again is led to that code; what it has written down is
//! taken over at the task's next stop. As one task runs at a time, that gives the order of all events.
//!
//! What must not be cut in two is the way from a call to its entry: a task that is stopped there goes on
//! to the end of the code first, and a signal waits.

mod fds;
pub(crate) mod known;
mod patch;
pub(crate) mod remembered;
mod sites;
pub(crate) mod state;
mod taken;

use retake_abi::nr;
use retake_model::{Addr, PAGE_SIZE, Registers};
use retake_ptrace::{Stopped, read_words};
use retake_tracee::fast::{BUFFER_LEN, CODE, CODE_LEN, CURSOR, FIRST_ENTRY, FastCode};
use retake_tracee::inject;

use crate::book::Draft;
use crate::error::RecordError;
use crate::fast::state::{FastCalls, Site, Stubs};
use crate::tasks::Task;
use crate::world::World;

/// The code, where this machine can run it.
pub(crate) fn assemble() -> Option<FastCode> {
    can_read_segment_bases().then(FastCode::assemble)?.ok()
}

/// Whether `rdfsbase` is allowed (`AT_HWCAP2`, bit 1: since Linux 5.9, where the processor has it).
fn can_read_segment_bases() -> bool {
    const AT_HWCAP2: u64 = 26;
    const FSGSBASE: u64 = 2;
    let auxv = std::fs::read("/proc/self/auxv").unwrap_or_default();
    let words: Vec<u64> = read_words(&auxv).collect();
    words.as_chunks::<2>().0.iter().any(|[kind, value]| *kind == AT_HWCAP2 && value & FSGSBASE != 0)
}

impl Task {
    /// Where the code ends, if `pc` is in the middle of it.
    pub(crate) fn end_of_fast_code(&self, pc: Addr) -> Option<Addr> {
        self.fast_code.as_ref().filter(|code| code.is_inside(pc)).map(|code| code.exit)
    }
}

impl World {
    /// Makes every call of an address space a traced one again.
    pub(crate) fn trace_all_calls(
        &mut self,
        draft: &mut Draft,
        task: &Task,
    ) -> Result<(), RecordError> {
        if self.space(task.space)?.fast.give_up() {
            let (table, bytes) = FastCode::none();
            crate::calls::threads::write_now(draft, task, table, &bytes);
        }
        Ok(())
    }
}

/// Puts the code and its buffer into a fresh image, and a page for the stubs of the vdso where there is
/// one. (Near it there is hardly any room.)
pub(crate) fn map_fast_code(
    task: &mut Task,
    stopped: &mut Stopped,
    registers: &Registers,
    below_vdso: Option<Addr>,
) -> Result<FastCalls, RecordError> {
    const READ_WRITE: u64 = 3;
    const READ_EXEC: u64 = 5;
    let Some(code) =
        task.fast_code.clone().filter(|_| task.confinement.is_free() && task.traced.is_none())
    else {
        return Ok(FastCalls::absent());
    };
    let has_buffer = map_at(task, stopped, registers, CURSOR, BUFFER_LEN, READ_WRITE)?;
    let present = has_buffer && map_at(task, stopped, registers, CODE, CODE_LEN, READ_EXEC)?;
    if present {
        task.memory.write(CURSOR, &FIRST_ENTRY.get().to_le_bytes())?;
        task.memory.write(CODE, &code.pages())?;
    }
    let mut stubs = Vec::new();
    if let Some(page) = below_vdso.filter(|_| present)
        && map_at(task, stopped, registers, page, PAGE_SIZE, READ_EXEC)?
    {
        stubs.push(Stubs::at(page));
    }
    Ok(FastCalls { present, stubs, ..FastCalls::absent() })
}

/// Maps private memory at an address, if there is room.
pub(crate) fn map_at(
    task: &mut Task,
    stopped: &mut Stopped,
    registers: &Registers,
    at: Addr,
    len: u64,
    prot: u64,
) -> Result<bool, RecordError> {
    const PRIVATE_ANONYMOUS_FIXED_NOREPLACE: u64 = 0x10_0022;
    let args = [at.get(), len, prot, PRIVATE_ANONYMOUS_FIXED_NOREPLACE, u64::MAX, 0];
    let done = inject(stopped, registers, nr::MMAP, args)?;
    task.held.extend(done.signals);
    Ok(done.result.cast_unsigned() == at.get())
}
