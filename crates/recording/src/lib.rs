//! The recording format on disk: writer, reader, page store, kept files.
//!
//! Principal types: [`RecordingWriter`], [`Recording`], [`Event`], [`Checkpoint`]. `docs/format.md`
//! describes the bytes.
//!
//! A recording is a journal: header first, then checksummed frames that are only ever appended. A
//! recorder that is killed loses at most what it had not flushed yet; every whole frame reads. This
//! crate refuses other major versions, believes no length it reads, gives an error and not a panic for
//! hostile bytes, and never writes outside of the recording's folder and the content store.

mod checkpoints;
mod codec;
mod error;
mod events;
pub mod live;
mod manage;
mod manifest;
mod mmap;
mod names;
mod pages;
mod reader;
pub mod rewrite;
mod store;
mod writer;

pub use checkpoints::checkpoint::{Checkpoint, Segments, SharedState, SpaceState, TaskState};
pub use checkpoints::draft::{CheckpointDraft, PageSource, SharedDraft, SpaceDraft};
pub use checkpoints::place::KeptPlace;
pub use codec::{FORMAT_VERSION, FormatVersion};
pub use error::{RecordingError, RecordingErrorKind};
pub use events::effects::EffectBuffer;
pub use events::event::{
    Delivery, Effect, Event, EventKind, ExitStatus, Fingerprint, Image, PageDigest, Stream,
    TrappedInstruction, Where,
};
pub use events::output_hash::{OutputHash, PageHasher};
pub use events::segment::LocalSegment;
pub use manage::{disk_usage, is_recording, list, remove};
pub use manifest::{Cut, End, Machine, Manifest};
pub use mmap::MappedFile;
pub use pages::batch::{PageBatch, PagePool};
pub use pages::page_id;
pub use reader::{CheckpointSummary, EventCursor, PageSink, Recording};
pub use store::beside::BesideFile;
pub use store::files::{FileEntry, FileKey, KeptFile};
pub use store::noted::NoteSubject;
pub use writer::{RecordingWriter, Summary, WriterOptions};
