//! The live process: what its address space holds, and calls injected into it.
//!
//! Principal types: [`MappingTable`], [`InjectPage`] with [`inject`] and [`inject_batch`], [`parse_maps`], and the code in
//! [`fast`].
//!
//! Recorder and replayer both build on this; it decides nothing about either.

mod answers;
mod batch;
pub mod fast;
mod glance;
mod image;
mod inject;
mod maps;
mod random;
mod table;
mod vsyscall;

pub use answers::{ANSWERS_LEN, Answer, Answering, MOST_SITES, Moved};
pub use batch::{Batch, BatchedCall, inject_batch};
pub use glance::Glance;
pub use image::{InjectPage, SCRATCH_BASE, SCRATCH_ROOM, SCRATCH_SLOTS, is_ours};
pub use inject::{InjectError, Injected, call_in_place, inject, inject_in_replay};
pub use maps::{MapsEntry, parse_maps, read_maps};
pub use random::IN_ITS_PLACE;
pub use table::MappingTable;
pub use vsyscall::{Returned, is_vsyscall, skip_vsyscall};
