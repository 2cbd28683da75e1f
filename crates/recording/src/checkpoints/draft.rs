//! Checkpoints on their way to disk: with page contents, before they are hashed.

use std::fmt::Debug;
use std::io;

use retake_model::{AddrRange, EventIndex, Mapping, SharedId, SpaceId, TaskId};

use crate::checkpoints::checkpoint::{Segments, TaskState};
use crate::pages::batch::PageBatch;

/// A checkpoint to be written.
#[derive(Debug)]
pub struct CheckpointDraft {
    /// How many events had taken effect.
    pub event: EventIndex,
    /// Run time of the program up to here, in nanoseconds.
    pub run_time_ns: u64,
    /// The task that runs next.
    pub current: TaskId,
    /// Every living task, in ascending order.
    pub tasks: Vec<TaskState>,
    /// Every address space, in ascending order.
    pub spaces: Vec<SpaceDraft>,
    /// Every shared object.
    pub shared: Vec<SharedDraft>,
    /// Segments of the program's own.
    pub segments: Segments,
}

/// An address space to be written.
#[derive(Debug)]
pub struct SpaceDraft {
    /// Which one.
    pub space: SpaceId,
    /// All of it, in ascending order.
    pub mappings: Vec<Mapping>,
    /// Ranges whose pages of the checkpoint before are void.
    pub cleared: Vec<AddrRange>,
    /// Pages that may have changed.
    pub pages: PageBatch,
    /// More of them.
    pub later: Option<Box<dyn PageSource>>,
}

/// Pages that the background thread reads when it comes to them, from a copy of an address space in which
/// nothing runs. Dropping it lets go of the copy.
pub trait PageSource: Debug + Send {
    /// Adds some of the pages that are left, in ascending order. False: there are none.
    ///
    /// # Errors
    /// When the copy is gone: there is no such checkpoint then.
    fn read(&mut self, batch: &mut PageBatch) -> io::Result<bool>;
}

/// A shared object to be written.
#[derive(Debug)]
pub struct SharedDraft {
    /// Which one.
    pub shared: SharedId,
    /// Length in bytes.
    pub len: u64,
    /// Whether `pages` are all that are not zero.
    pub complete: bool,
    /// Pages.
    pub pages: PageBatch,
}
