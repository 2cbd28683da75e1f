//! Checkpoints on their way to disk: with page contents, before they are hashed.

use retake_model::{AddrRange, EventIndex, Mapping, PageAddr, PageId, SharedId, SpaceId, TaskId};
use xxhash_rust::xxh3::xxh3_128;

use crate::checkpoint::TaskState;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// Pages with their contents.
#[derive(Clone, Debug, Default)]
pub struct PageBatch {
    /// Where they are, in ascending order. Within a shared object: page number times 4096.
    pub addrs: Vec<PageAddr>,
    /// 4096 bytes for each.
    pub bytes: Vec<u8>,
}

impl PageBatch {
    /// Each page with its contents.
    pub fn pages(&self) -> impl Iterator<Item = (PageAddr, &[u8])> {
        self.addrs.iter().copied().zip(self.bytes.chunks_exact(PAGE))
    }
}

/// The identity of a page's contents.
pub fn page_id(page: &[u8]) -> PageId {
    PageId::from_hash(xxh3_128(page))
}

/// A checkpoint to be written.
#[derive(Clone, Debug)]
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
}

/// An address space to be written.
#[derive(Clone, Debug)]
pub struct SpaceDraft {
    /// Which one.
    pub space: SpaceId,
    /// All of it, in ascending order.
    pub mappings: Vec<Mapping>,
    /// Ranges whose pages of the checkpoint before are void.
    pub cleared: Vec<AddrRange>,
    /// Whether `pages` are all there are.
    pub complete: bool,
    /// Pages that may have changed.
    pub pages: PageBatch,
}

/// A shared object to be written.
#[derive(Clone, Debug)]
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
