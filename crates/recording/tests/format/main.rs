//! The format on disk: what is written is read, and nothing that anybody writes costs a reader more than an error.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod folder;
mod hostile;
mod strategies;
mod written;

/// Counts what is allocated.
#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;
