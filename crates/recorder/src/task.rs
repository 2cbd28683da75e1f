//! Recorded tasks and their address spaces.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use retake_abi::{Before, Class, Syscall, TaskCall};
use retake_model::{
    Addr, AddrRange, Protection, Registers, SigInfo, SpaceId, TaskId, Tid, VectorState,
};
use retake_ptrace::{ProcessMemory, Resume, Stopped};
use retake_tracee::MappingTable;

use crate::seccomp::Confinement;

/// One recorded task.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) tid: Tid,
    pub(crate) pid: Tid,
    pub(crate) space: SpaceId,
    pub(crate) name: Vec<u8>,
    pub(crate) memory: ProcessMemory,
    pub(crate) run: Run,
    /// How it goes on with its own code.
    pub(crate) onward: Resume,
    /// It has entered a call that a filter from outside has not let pass yet.
    pub(crate) passing: bool,
    /// What it goes on with since its last event.
    pub(crate) registers: Registers,
    /// Its last event was in the middle of code: it may come to equal registers again.
    pub(crate) mid_code: bool,
    /// The call it has entered.
    pub(crate) open: Option<OpenCall>,
    /// A call that the kernel goes on with through `restart_syscall`.
    pub(crate) interrupted: Option<OpenCall>,
    /// Signals that wait for a place to be delivered at.
    pub(crate) held: VecDeque<SigInfo>,
    /// Since when the first of them waits, on the monotonic clock.
    pub(crate) held_since: Duration,
    /// It was asked to stop, and the stop has not been seen yet.
    pub(crate) asked_to_stop: bool,
    /// Where the kernel writes 0 when the task ends (`set_tid_address`).
    pub(crate) clear_tid: Addr,
    /// Head of the robust futex list.
    pub(crate) robust: Addr,
    /// What it does at signals that may be forced on it.
    pub(crate) signal_state: crate::forced::SignalState,
    /// A SIGSEGV that was sent to the task, and stood in for one that was forced on it.
    pub(crate) hides_forced: Option<SigInfo>,
    /// Code for calls without a stop, where there can be such.
    pub(crate) fast_code: Option<std::rc::Rc<retake_tracee::fast::FastCode>>,
    /// What seccomp(2) lets it do.
    pub(crate) confinement: Confinement,
    /// Vector registers and blocked signals, while its process is stopped.
    pub(crate) stopped: Option<(VectorState, u64)>,
    /// Its end is sure: it runs no user code any more.
    pub(crate) dying: bool,
    /// Its end has been recorded.
    pub(crate) ended: bool,
}

impl Task {
    /// Whether a seccomp filter that is not the program's may answer its calls.
    pub(crate) fn is_filtered_from_outside(&self) -> bool {
        self.onward == Resume::Syscall
    }
}

/// What a task is doing.
#[derive(Debug)]
pub(crate) enum Run {
    /// Stopped by us; it may go on.
    Ready(Stopped),
    /// In the kernel, waiting; a stop will be reported.
    Kernel,
    /// Being handled right now, or gone.
    Away,
}

impl Run {
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }
}

/// A system call that was entered and has not completed.
#[derive(Debug)]
pub(crate) struct OpenCall {
    pub(crate) call: Syscall,
    pub(crate) args: [u64; 6],
    pub(crate) before: Before,
    /// Registers at the entry stop, as the program set them.
    pub(crate) entry: Registers,
    /// Whether the entry is already an event of its own.
    pub(crate) entered: bool,
    /// Vector registers, taken when the call may wait (a checkpoint needs them then).
    pub(crate) vector: Option<VectorState>,
    /// Where output goes instead while other tasks run.
    pub(crate) redirect: Option<retake_abi::Placed>,
    /// The kernel may write to the program's memory while the call waits: no checkpoint then.
    pub(crate) writes_directly: bool,
    /// Pages before a call whose outputs are not known.
    pub(crate) pages: Option<crate::page_diff::PagesBefore>,
    /// All memory before the call, for the audit.
    pub(crate) audit: Option<crate::audit::MemoryBefore>,
}

impl OpenCall {
    /// Whether the call is an `execve`.
    pub(crate) fn replaces_memory(&self) -> bool {
        matches!(self.call.class, Class::Task(TaskCall::Exec | TaskCall::ExecAt))
    }
}

/// One recorded address space.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) table: MappingTable,
    /// End of the heap, once known.
    pub(crate) brk: Option<u64>,
    /// Attached System V segments: address and length.
    pub(crate) attached: BTreeMap<Addr, u64>,
    /// Scratch slots in use, by task.
    pub(crate) slots: BTreeMap<TaskId, u64>,
    /// Ranges whose contents changed other than by writing since the last checkpoint.
    pub(crate) cleared: Vec<AddrRange>,
    /// What tells which pages were written since the last checkpoint.
    pub(crate) tracking: crate::tracking::Tracking,
    /// `PR_SET_DUMPABLE`, as the program knows it.
    pub(crate) dumpable: bool,
    /// Set where the program registered an rseq area.
    pub(crate) rseq: BTreeMap<TaskId, Addr>,
    /// How often other processes changed this one.
    pub(crate) foreign_changes: u64,
    /// Ranges that a forked process gets differently.
    pub(crate) inheritance: crate::inheritance::Inheritance,
    /// Calls that are made without a stop.
    pub(crate) fast: crate::fast::FastCalls,
}

impl Space {
    pub(crate) fn new(table: MappingTable, brk: Option<u64>) -> Self {
        Self {
            table,
            brk,
            attached: BTreeMap::new(),
            slots: BTreeMap::new(),
            cleared: Vec::new(),
            tracking: crate::tracking::Tracking::default(),
            dumpable: true,
            rseq: BTreeMap::new(),
            foreign_changes: 0,
            inheritance: crate::inheritance::Inheritance::default(),
            fast: crate::fast::FastCalls::absent(),
        }
    }

    /// Whether the program may write to all of these bytes.
    pub(crate) fn can_write(&self, start: Addr, len: u64) -> bool {
        AddrRange::with_len(start, len).is_some() && self.writable_len(start, len) == len
    }

    /// How many of these bytes, from the first on, the program may write to.
    pub(crate) fn writable_len(&self, start: Addr, len: u64) -> u64 {
        let end = start.get().saturating_add(len);
        let mut at = start;
        while at.get() < end {
            match self.table.find(at) {
                Some(mapping) if mapping.prot.allows(Protection::WRITE) => at = mapping.range.end(),
                _ => break,
            }
        }
        at.get().min(end) - start.get()
    }

    /// The copy that a forked process starts with.
    pub(crate) fn fork(&self) -> Self {
        Self {
            attached: self.attached.clone(),
            rseq: self.rseq.clone(),
            dumpable: self.dumpable,
            inheritance: self.inheritance.clone(),
            fast: self.fast.clone(),
            ..Self::new(self.table.clone(), self.brk)
        }
    }
}
