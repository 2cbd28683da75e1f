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

pub(crate) use taken::AtEnd;

use std::rc::Rc;

use retake_abi::nr;
use retake_model::{Addr, PAGE_SIZE, Registers};
use retake_ptrace::{Stopped, read_words};
use retake_tracee::fast::{BUFFER_LEN, CODE, CODE_LEN, CURSOR, FIRST_ENTRY, FastCode};
use retake_tracee::{BatchedCall, inject};

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

/// The code and its buffer in a fresh image, and a page for the stubs of the vdso where there is one. (Near it there
/// is hardly any room.)
#[derive(Debug)]
pub(crate) struct InFreshImage {
    code: Rc<FastCode>,
    below_vdso: Option<Addr>,
}

impl InFreshImage {
    /// Nothing where this task makes no calls without a stop.
    pub(crate) fn of(task: &Task, below_vdso: Option<Addr>) -> Option<Self> {
        let may_be_fast = task.confinement.is_free() && task.traced.is_none();
        let code = task.fast_code.clone().filter(|_| may_be_fast)?;
        Some(Self { code, below_vdso })
    }

    /// The calls that map them.
    pub(crate) fn mappings(&self) -> Vec<BatchedCall> {
        let buffer = mapping_at(CURSOR, BUFFER_LEN, READ_WRITE);
        let code = mapping_at(CODE, CODE_LEN, READ_EXEC);
        let stubs = self.below_vdso.map(|page| mapping_at(page, PAGE_SIZE, READ_EXEC));
        [buffer, code].into_iter().chain(stubs).collect()
    }

    /// Fills them in, as far as they were mapped: `made` says that of each call.
    pub(crate) fn fill(self, task: &mut Task, made: &[bool]) -> Result<FastCalls, RecordError> {
        let [true, true, rest @ ..] = made else { return Ok(FastCalls::absent()) };
        task.memory.write(CURSOR, &FIRST_ENTRY.get().to_le_bytes())?;
        task.memory.write_forced(CODE, &self.code.pages())?;
        let stubs = self.below_vdso.filter(|_| rest == [true]);
        let stubs = stubs.map(Stubs::at).into_iter().collect();
        Ok(FastCalls { present: true, stubs, ..FastCalls::absent() })
    }
}

const READ_WRITE: u64 = 3;
const READ_EXEC: u64 = 5;

/// The call that maps private memory at an address, if there is room.
fn mapping_at(at: Addr, len: u64, prot: u64) -> BatchedCall {
    const PRIVATE_ANONYMOUS_FIXED_NOREPLACE: u64 = 0x10_0022;
    let args = [at.get(), len, prot, PRIVATE_ANONYMOUS_FIXED_NOREPLACE, u64::MAX, 0];
    BatchedCall { no: nr::MMAP, args, expected: Some(at.get()) }
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
    let BatchedCall { no, args, .. } = mapping_at(at, len, prot);
    let done = inject(stopped, registers, no, args)?;
    task.held.extend(done.signals);
    Ok(done.result.cast_unsigned() == at.get())
}
