//! Recorded tasks and their address spaces.

use std::collections::{BTreeMap, VecDeque};

use retake_abi::{Before, Syscall};
use retake_model::{Addr, Registers, SigInfo, SpaceId, TaskId, Tid, VectorState};
use retake_ptrace::{ProcessMemory, Stopped};
use retake_tracee::MappingTable;

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
    /// What it goes on with since its last event.
    pub(crate) registers: Registers,
    /// The call it has entered.
    pub(crate) open: Option<OpenCall>,
    /// A call that the kernel goes on with through `restart_syscall`.
    pub(crate) interrupted: Option<OpenCall>,
    /// Signals that wait for a place to be delivered at.
    pub(crate) held: VecDeque<SigInfo>,
    /// Where the kernel writes 0 when the task ends (`set_tid_address`).
    pub(crate) clear_tid: Addr,
    /// Head of the robust futex list.
    pub(crate) robust: Addr,
    /// Its end has been recorded.
    pub(crate) ended: bool,
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
    /// Where output goes instead while other tasks share the memory.
    pub(crate) redirect: Option<retake_abi::Placed>,
    /// Pages before a call whose outputs are not known.
    pub(crate) pages: Option<crate::page_diff::PagesBefore>,
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
    pub(crate) cleared: Vec<retake_model::AddrRange>,
    /// What tells which pages were written since the last checkpoint.
    pub(crate) tracking: crate::tracking::Tracking,
    /// Set where the program registered an rseq area.
    pub(crate) rseq: BTreeMap<TaskId, Addr>,
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
            rseq: BTreeMap::new(),
        }
    }

    /// The copy that a forked process starts with.
    pub(crate) fn fork(&self) -> Self {
        Self {
            attached: self.attached.clone(),
            rseq: self.rseq.clone(),
            ..Self::new(self.table.clone(), self.brk)
        }
    }
}
