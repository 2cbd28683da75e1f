//! Checkpoints: the whole state of all tasks at one event.

use retake_model::{
    AddrRange, CheckpointIndex, EventIndex, Mapping, PageAddr, PageId, Registers, SharedId,
    SpaceId, SyscallNo, TaskId, Tid, VectorState,
};
use serde::{Deserialize, Serialize};

use crate::events::segment::LocalSegment;

/// One checkpoint as it is stored: pages are listed as changes since the checkpoint before, unless
/// it is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Which one.
    pub index: CheckpointIndex,
    /// How many events had taken effect.
    pub event: EventIndex,
    /// Run time of the program up to here, in nanoseconds (time it was waiting excluded).
    pub run_time_ns: u64,
    /// Whether `pages` of every space and shared object are all there are.
    pub complete: bool,
    /// The task that runs next.
    pub current: TaskId,
    /// Every living task, in ascending order.
    pub tasks: Vec<TaskState>,
    /// Every address space, in ascending order.
    pub spaces: Vec<SpaceState>,
    /// Every shared object that is mapped, in ascending order.
    pub shared: Vec<SharedState>,
    /// Segments of the program's own. On disk they follow the record, if there are any.
    #[serde(skip)]
    pub segments: Segments,
}

/// The segments of all address spaces that have some, in ascending order.
pub type Segments = Vec<(SpaceId, LocalSegment)>;

/// A task in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// Which one.
    pub task: TaskId,
    /// Its number in the program's eyes.
    pub tid: Tid,
    /// Its process (thread group) in the program's eyes.
    pub pid: Tid,
    /// Its address space.
    pub space: SpaceId,
    /// `comm`, at most 15 bytes.
    #[serde(with = "crate::codec::bytes")]
    pub name: Vec<u8>,
    /// General registers.
    pub registers: Registers,
    /// Vector registers.
    pub vector: VectorState,
    /// The call it is in, if it has entered one that has not completed.
    pub in_syscall: Option<SyscallNo>,
    /// Blocked signals: bit n-1 is signal n.
    pub signal_mask: u64,
}

/// An address space in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceState {
    /// Which one.
    pub space: SpaceId,
    /// All of it, in ascending order.
    pub mappings: Vec<Mapping>,
    /// Ranges whose earlier pages are void (unmapped, mapped anew or discarded since the checkpoint
    /// before); applied before `pages`. Empty if the checkpoint is complete or the space is new.
    pub cleared: Vec<AddrRange>,
    /// Pages (of private mappings) that differ from their backing, in ascending order: all, or those
    /// that changed since the checkpoint before. A space that the checkpoint before does not have is
    /// always listed completely.
    pub pages: Vec<(PageAddr, PageId)>,
}

/// A shared object in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedState {
    /// Which one.
    pub shared: SharedId,
    /// Length in bytes, whole pages.
    pub len: u64,
    /// Pages by their number within the object: all that are not zero, or those that changed since
    /// the checkpoint before. One that the checkpoint before does not have is listed completely.
    pub pages: Vec<(u64, PageId)>,
}
