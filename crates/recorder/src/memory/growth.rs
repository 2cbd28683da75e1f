//! Memory that grows downwards: the main stack, and mappings with `MAP_GROWSDOWN`.
//!
//! The kernel grows it when it is touched, without a call. The stack therefore gets its full size at
//! once, and again when its limit is raised; other mappings are plain ones for the kernel, and grow
//! here, at the fault.

use retake_abi::nr;
use retake_model::{
    Addr, AddrRange, Backing, Mapping, PAGE_SIZE, Protection, Registers, SigInfo, Signal, Tid,
};
use retake_ptrace::{Stopped, stack_limit};
use retake_recording::{Delivery, Effect, EventKind, Where};
use retake_tracee::{BatchedCall, inject};

use crate::book::{Book, Draft};
use crate::error::RecordError;
use crate::tasks::{OpenCall, Task};
use crate::world::World;

/// A stack without limit, or with a larger one, is made this large.
const LARGEST_STACK: u64 = 1 << 30;
/// The kernel leaves so many bytes above another mapping (`stack_guard_gap`).
const GAP: u64 = 256 * PAGE_SIZE;
const RLIMIT_STACK: u64 = 3;
/// `SEGV_MAPERR`: nothing is mapped there.
const NOT_MAPPED: i32 = 1;

/// How large a stack may be now. Of a process that is gone it does not matter.
fn limit_of(tid: Tid) -> u64 {
    stack_limit(tid).unwrap_or(u64::MAX)
}

/// The lowest page of a stack that ends at `end`.
fn lowest(tid: Tid, end: Addr) -> Addr {
    let full = limit_of(tid).min(LARGEST_STACK);
    Addr::new(end.get().saturating_sub(full).next_multiple_of(PAGE_SIZE))
}

/// The call that has the kernel grow the stack to its full size: it does so for an access of its own, looking up
/// an empty path.
pub(crate) fn growing_stack(tid: Tid, stack_end: Addr) -> BatchedCall {
    let args = [lowest(tid, stack_end).get(), 0, 0, 0, 0, 0];
    BatchedCall { no: nr::ACCESS, args, expected: None }
}

fn grow_stack(
    task: &mut Task,
    stopped: &mut Stopped,
    registers: &Registers,
    stack_end: Addr,
) -> Result<(), RecordError> {
    let BatchedCall { no, args, .. } = growing_stack(task.tid, stack_end);
    task.held.extend(inject(stopped, registers, no, args)?.signals);
    Ok(())
}

/// What came of a fault below a mapping that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// It was not one, or too far below.
    None,
    /// What is between is mapped now.
    Done,
    /// There is no memory for that: the fault is the program's.
    Failed,
}

impl World {
    /// After a call that raised the limit of the stack: grows it, and adds that to the event.
    pub(crate) fn follow_stack_limit(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        stopped: &mut Stopped,
        open: &OpenCall,
        result: i64,
    ) -> Result<(), RecordError> {
        let [a, b, c, ..] = open.args;
        let raised = match open.call.no {
            nr::SETRLIMIT => a == RLIMIT_STACK,
            nr::PRLIMIT64 => b == RLIMIT_STACK && c != 0,
            _ => false,
        };
        if !raised || result != 0 {
            return Ok(());
        }
        let maps = |tid| {
            retake_tracee::read_maps(tid)
                .map_err(|error| RecordError::System { attempt: "read /proc/PID/maps", error })
        };
        let is_stack = |entry: &retake_tracee::MapsEntry| entry.path == "[stack]";
        let Some(before) = maps(task.tid)?.into_iter().find(is_stack) else {
            return Ok(());
        };
        let registers = stopped.registers()?;
        grow_stack(task, stopped, &registers, before.range.end())?;
        stopped.set_registers(&registers)?;
        if let Some(after) = maps(task.tid)?.into_iter().find(is_stack)
            && let Some(range) = AddrRange::new(after.range.start(), before.range.start())
            && !range.is_empty()
        {
            let mapping =
                Mapping { range, prot: after.prot, backing: Backing::Anonymous, grows_down: false };
            self.change(draft, task, Effect::Map { mapping })?;
        }
        Ok(())
    }

    /// A fault below a mapping that grows: maps what is between, by the kernel's rules. The task then
    /// executes the instruction again.
    pub(crate) fn grow_down(
        &mut self,
        book: &mut Book,
        task: &mut Task,
        stopped: &mut Stopped,
        info: &SigInfo,
        registers: &Registers,
    ) -> Result<Growth, RecordError> {
        const ANONYMOUS_FIXED_NOREPLACE: u64 = 0x10_4022;
        if info.signal() != Ok(Signal::SEGV) || info.code() != NOT_MAPPED {
            return Ok(Growth::None);
        }
        let start = info.fault_addr().page().addr();
        let space = self.space(task.space)?;
        let Some(above) = space.table.iter().find(|m| m.range.start() > start).cloned() else {
            return Ok(Growth::None);
        };
        let size = above.range.end().offset_from(start).unwrap_or(u64::MAX);
        if !above.grows_down || size > limit_of(task.tid) {
            return Ok(Growth::None);
        }
        let below = space.table.iter().take_while(|m| m.range.end() <= start).last();
        if let Some(below) = below
            && below.prot != Protection::NONE
            && !below.grows_down
            && start.offset_from(below.range.end()).is_some_and(|gap| gap < GAP)
        {
            return Ok(Growth::None);
        }
        let Some(range) = AddrRange::new(start, above.range.start()) else {
            return Ok(Growth::None);
        };
        task.undo_forced(stopped, Signal::SEGV, registers)?;
        let args =
            [start.get(), range.len(), above.prot.bits(), ANONYMOUS_FIXED_NOREPLACE, u64::MAX, 0];
        let done = inject(stopped, registers, nr::MMAP, args)?;
        task.held.extend(done.signals);
        stopped.set_registers(registers)?;
        if done.result.cast_unsigned() != start.get() {
            if task.is_made_fatal(Signal::SEGV) {
                crate::signals::fatal::make_fatal(task, stopped, Signal::SEGV, registers)?;
            }
            return Ok(Growth::Failed);
        }
        let mut draft = book.draft();
        self.change(&mut draft, task, Effect::Map { mapping: Mapping { range, ..above } })?;
        let (info, at) = (info.clone(), Where::Located);
        let kind = EventKind::Signal { info, delivery: Delivery::Ignored, at };
        book.append(task, draft, &kind, registers, registers)?;
        Ok(Growth::Done)
    }
}
