//! Pages of memory: each is stored once, by its contents.

use retake_model::PageId;
use xxhash_rust::xxh3::xxh3_128;

pub(crate) mod batch;
pub(crate) mod frames;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// The identity of a page's contents.
pub fn page_id(page: &[u8]) -> PageId {
    PageId::from_hash(xxh3_128(page))
}
