//! The recording format on disk.

mod bytes;
mod checkpoint;
mod event;
mod manifest;

pub use checkpoint::{Checkpoint, SharedState, SpaceState, TaskState};
pub use event::{
    Delivery, Effect, Event, EventKind, ExitStatus, Fingerprint, Image, PageDigest, Stream,
    TrappedInstruction, Where,
};
pub use manifest::{End, Machine, Manifest};
