//! The recording format on disk: writer, reader, page store, kept files.
//!
//! Principal types: [`RecordingWriter`], [`Recording`], [`Event`], [`Checkpoint`]. `docs/format.md`
//! describes the bytes.
//!
//! A recording is a journal: header first, then checksummed frames that are only ever appended. A
//! recorder that is killed loses at most what it had not flushed yet; every whole frame reads. This
//! crate refuses other major versions, believes no length it reads, gives an error and not a panic for
//! hostile bytes, and never writes outside of the recording's folder and the content store.

mod background;
mod batch;
mod beside;
mod bytes;
mod checkpoint;
mod codec;
mod draft;
mod effects;
mod error;
mod event;
mod journal;
pub mod live;
mod manage;
mod manifest;
mod mmap;
mod nested;
mod noted;
mod output_hash;
mod pages;
mod place;
mod reader;
mod remembered;
mod resolved;
pub mod rewrite;
mod segment;
mod sparse;
mod store;
mod stream;
mod text;
mod worker;
mod writer;

pub use batch::{PageBatch, PagePool};
pub use beside::BesideFile;
pub use checkpoint::{Checkpoint, Segments, SharedState, SpaceState, TaskState};
pub use codec::{FORMAT_VERSION, FormatVersion};
pub use draft::{CheckpointDraft, PageSource, SharedDraft, SpaceDraft, page_id};
pub use effects::EffectBuffer;
pub use error::{RecordingError, RecordingErrorKind};
pub use event::{
    Delivery, Effect, Event, EventKind, ExitStatus, Fingerprint, Image, PageDigest, Stream,
    TrappedInstruction, Where,
};
pub use manage::{disk_usage, is_recording, list, remove};
pub use manifest::{Cut, End, Machine, Manifest};
pub use mmap::MappedFile;
pub use noted::NoteSubject;
pub use output_hash::{OutputHash, PageHasher};
pub use place::KeptPlace;
pub use reader::{CheckpointSummary, EventCursor, PageSink, Recording};
pub use segment::LocalSegment;
pub use store::{FileEntry, FileKey, KeptFile};
pub use writer::{RecordingWriter, Summary, WriterOptions};
