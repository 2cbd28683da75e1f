//! Reading a recording.

mod events;
mod pages;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use retake_model::{CheckpointIndex, EventIndex, FileId, PageId, Tid};
use zstd::bulk::Decompressor;

use crate::checkpoints::checkpoint::Checkpoint;
use crate::checkpoints::resolved::Resolved;
use crate::codec::{
    FILE_HEADER, FORMAT_VERSION, FRAME_HEADER, Frame, OLDEST_MAJOR, file_header, take,
};
use crate::error::{RecordingError, RecordingErrorKind};
use crate::events::event::Event;
use crate::events::stream::StreamUnpacker;
use crate::live;
use crate::manifest::Manifest;
use crate::mmap::{MappedFile, open_regular};
use crate::names;
use crate::pages::frames::{FRAME_PAGES, PageIndex};
use crate::store::beside::{self, BesideFile};
use crate::store::files::{FileEntry, file_name};

/// A checkpoint in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointSummary {
    /// Which one.
    pub index: CheckpointIndex,
    /// How many events had taken effect.
    pub event: EventIndex,
    /// Run time of the program, in nanoseconds.
    pub run_time_ns: u64,
    /// Living tasks.
    pub tasks: usize,
    /// Pages it lists (those that changed, unless it is complete).
    pub pages: usize,
}

pub use events::EventCursor;
pub use pages::PageSink;

/// A recording that can be read. Clones share everything.
#[derive(Clone, Debug)]
pub struct Recording {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    manifest: Manifest,
    finished: bool,
    recorder: Option<Tid>,
    events: MappedFile,
    chunks: Vec<(Frame, usize)>,
    event_count: u64,
    pages: MappedFile,
    page_index: PageIndex,
    checkpoints: Vec<Checkpoint>,
    summaries: Vec<CheckpointSummary>,
    files: Vec<FileEntry>,
    beside: Vec<BesideFile>,
    loss: Option<String>,
    buffers: pages::Buffers,
    unpacker: StreamUnpacker,
    on_reader_start: OnceLock<fn()>,
    /// CPUs there were when it was opened: whoever reads may be bound to one of them later.
    cpus: usize,
}

/// Opens one of the binary files and gives its whole frames: header, offset and payload. The last
/// value says how many bytes at the end are not part of one.
fn frames(
    map: &MappedFile,
    path: &Path,
    kind: [u8; 6],
) -> Result<(Vec<(Frame, usize)>, usize), RecordingError> {
    let bytes = map.bytes();
    let header = file_header(kind);
    let found = bytes
        .get(..FILE_HEADER)
        .ok_or_else(|| RecordingError::damaged("read", path, "it ends before its header does"))?;
    if found.get(..12) != header.get(..12) {
        return Err(RecordingError::damaged("read", path, "it does not start as it must"));
    }
    let number = |at: usize| found.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    if !(OLDEST_MAJOR..=FORMAT_VERSION.major).contains(&number(12)) {
        let found = format!("{}.{}", number(12), number(14));
        let readable = format!("{OLDEST_MAJOR}.x to {}.x", FORMAT_VERSION.major);
        let kind = RecordingErrorKind::Version { found, readable };
        return Err(RecordingError::new("read", path, kind));
    }
    let mut list = Vec::new();
    let mut at = FILE_HEADER;
    while let Some((frame, payload)) = bytes.get(at..).and_then(Frame::decode) {
        list.push((frame, at));
        at += FRAME_HEADER + payload.len();
    }
    Ok((list, bytes.len() - at))
}

fn payload<'a>(map: &'a MappedFile, frame: &Frame, at: usize) -> Option<&'a [u8]> {
    let len = usize::try_from(frame.len).ok()?;
    map.bytes().get(at + FRAME_HEADER..)?.get(..len)
}

fn unpack(map: &MappedFile, frame: &Frame, at: usize) -> Option<Vec<u8>> {
    frame.unpack(payload(map, frame, at)?)
}

/// The manifest and its path. It is decoded as it is read: what is no manifest is not read to its end.
fn read_manifest(dir: &Path) -> Result<(PathBuf, Manifest), RecordingError> {
    // A recorder that finishes just now renames it.
    for name in [names::FINISHED, names::PARTIAL, names::FINISHED] {
        let path = dir.join(name);
        match open_regular(&path) {
            Ok(file) => {
                let manifest = serde_json::from_reader(BufReader::new(file))
                    .map_err(|error| RecordingError::damaged("read", &path, error.to_string()))?;
                return Ok((path, manifest));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(RecordingError::new("read", &path, error)),
        }
    }
    Err(RecordingError::new("open", dir, RecordingErrorKind::NotARecording))
}

impl Recording {
    /// Opens the recording in `dir`, finished or not.
    ///
    /// # Errors
    /// When there is none, it was written by an incompatible version, or its headers are damaged.
    /// Damage further in is a [`Self::loss`], not an error.
    pub fn open(dir: &Path) -> Result<Self, RecordingError> {
        // Asked before the manifest is read: a recorder that ends in between leaves a finished one.
        let recorder = live::recorder_of(dir);
        let (path, manifest) = read_manifest(dir)?;
        let finished = path.ends_with(names::FINISHED);
        let open = |(name, kind): (&str, [u8; 6])| {
            let path = dir.join(name);
            let map = MappedFile::open(&path)?;
            let (list, rest) = frames(&map, &path, kind)?;
            Ok::<_, RecordingError>((map, list, rest))
        };
        // While it is being recorded, what the events refer to is there before them.
        let (events, mut chunks, rest) = open(names::EVENTS)?;
        let (check_map, check_frames, _) = open(names::CHECKPOINTS)?;
        let (pages, page_frames, _) = open(names::PAGES)?;
        let page_index = index_pages(&pages, &page_frames)
            .map_err(|error| RecordingError::new("read", &dir.join(names::PAGES.0), error))?;
        let (file_map, file_frames, _) = open(names::FILES)?;
        let files = read_files(&file_map, &file_frames);
        let (beside, beside_loss) = match beside::read(dir) {
            Ok(files) => (files, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let recorder = recorder.filter(|_| !finished);
        let mut event_count = 0;
        let in_order = chunks
            .iter()
            .zip(0_u32..)
            .take_while(|((frame, _), seq)| {
                let fits = frame.seq == *seq && frame.first == event_count;
                if fits {
                    event_count += u64::from(frame.count);
                }
                fits
            })
            .count();
        let mut loss = None;
        if in_order < chunks.len() {
            loss = Some(format!("the journal is out of order from event {event_count} on"));
            chunks.truncate(in_order);
        } else if let Some(recorder) = recorder {
            loss = Some(format!(
                "it is still being recorded, by process {recorder}; what is on disk ends at event {event_count}"
            ));
        } else if rest > 0 {
            loss = Some(format!(
                "the last {rest} bytes of the journal are no whole chunk; it ends at event {event_count}"
            ));
        } else if !finished {
            loss = Some(format!(
                "the recorder did not finish; whatever came after event {event_count} was not written (at most the last quarter of a second)"
            ));
        }
        let loss = loss.or(beside_loss);
        let checkpoints = read_checkpoints(&check_map, &check_frames, event_count, &page_index);
        let summaries = checkpoints
            .iter()
            .map(|c| CheckpointSummary {
                index: c.index,
                event: c.event,
                run_time_ns: c.run_time_ns,
                tasks: c.tasks.len(),
                pages: c.spaces.iter().map(|s| s.pages.len()).sum::<usize>()
                    + c.shared.iter().map(|s| s.pages.len()).sum::<usize>(),
            })
            .collect();
        let inner = Inner {
            dir: dir.to_owned(),
            manifest,
            finished,
            recorder,
            events,
            chunks,
            event_count,
            pages,
            page_index,
            checkpoints,
            summaries,
            files,
            beside,
            loss,
            buffers: pages::Buffers::default(),
            unpacker: StreamUnpacker::default(),
            on_reader_start: OnceLock::new(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// What was recorded, where and when.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// Whether its recorder came to the end.
    pub fn is_finished(&self) -> bool {
        self.inner.finished
    }

    /// The process that was writing it when it was opened.
    pub fn recorder(&self) -> Option<Tid> {
        self.inner.recorder
    }

    /// What is missing, in plain words, if anything is.
    pub fn loss(&self) -> Option<&str> {
        self.inner.loss.as_deref()
    }

    /// How many events it holds.
    pub fn event_count(&self) -> EventIndex {
        EventIndex::new(self.inner.event_count)
    }

    /// How many distinct pages it holds.
    pub fn page_count(&self) -> usize {
        self.inner.page_index.len()
    }

    /// The events from `from` on.
    pub fn events(&self, from: EventIndex) -> EventCursor {
        EventCursor::new(self.clone(), from)
    }

    /// One event.
    ///
    /// # Errors
    /// When there is no such event, or it is damaged.
    pub fn event(&self, index: EventIndex) -> Result<Event, RecordingError> {
        match self.events(index).next() {
            Some(event) => event.map(|(_, event)| event),
            None => Err(self.missing(format!(
                "there is no event {index}: the recording has {}",
                self.event_count()
            ))),
        }
    }

    fn missing(&self, what: String) -> RecordingError {
        RecordingError::new("read", self.dir(), RecordingErrorKind::Missing(what))
    }

    /// All checkpoints in short, in ascending order.
    pub fn checkpoints(&self) -> &[CheckpointSummary] {
        &self.inner.summaries
    }

    /// The last checkpoint that is not after `event`.
    pub fn nearest_checkpoint(&self, event: EventIndex) -> Option<CheckpointIndex> {
        let after = self.inner.checkpoints.partition_point(|c| c.event <= event);
        self.inner.checkpoints.get(after.checked_sub(1)?).map(|c| c.index)
    }

    /// One checkpoint, with the full page lists.
    ///
    /// # Errors
    /// When there is none of this index.
    pub fn checkpoint(&self, index: CheckpointIndex) -> Result<Checkpoint, RecordingError> {
        let all = &self.inner.checkpoints;
        let Some(at) = all.iter().position(|c| c.index == index) else {
            return Err(self.missing(format!("there is no checkpoint {index}")));
        };
        let chain = all.get(..=at).unwrap_or_default();
        let first = chain.iter().rposition(|c| c.complete).unwrap_or(0);
        let mut resolved = Resolved::default();
        for checkpoint in chain.get(first..).unwrap_or_default() {
            resolved.apply(checkpoint);
        }
        let mut checkpoint = chain.last().cloned().ok_or_else(|| self.missing(String::new()))?;
        resolved.complete(&mut checkpoint);
        Ok(checkpoint)
    }

    /// Whether the store has this page.
    pub fn has_page(&self, id: PageId) -> bool {
        self.inner.page_index.find(id).is_some()
    }

    /// Every kept file.
    pub fn files(&self) -> &[FileEntry] {
        &self.inner.files
    }

    /// Files that lay beside the program.
    pub fn beside(&self) -> &[BesideFile] {
        &self.inner.beside
    }

    /// The bytes of such a file.
    ///
    /// # Errors
    /// When the recording does not have them.
    pub fn map_beside(&self, file: &BesideFile) -> Result<MappedFile, RecordingError> {
        let missing = || self.missing(format!("{} has no contents", file.shown()));
        MappedFile::open(&file.kept_path(self.dir()).ok_or_else(missing)?)
    }

    /// Where a kept file lies.
    pub fn file_path(&self, entry: &FileEntry) -> PathBuf {
        self.dir().join("files").join(file_name(entry.hash))
    }

    /// A kept file, open for reading.
    ///
    /// # Errors
    /// When the recording does not keep it.
    pub fn open_file(&self, id: FileId) -> Result<File, RecordingError> {
        let path = self.kept_path(id)?;
        open_regular(&path).map_err(|error| RecordingError::new("open", &path, error))
    }

    /// The bytes of a kept file. Large ones cost nothing until they are looked at.
    ///
    /// # Errors
    /// When the recording does not keep it.
    pub fn map_file(&self, id: FileId) -> Result<MappedFile, RecordingError> {
        MappedFile::open(&self.kept_path(id)?)
    }

    fn kept_path(&self, id: FileId) -> Result<PathBuf, RecordingError> {
        let Some(entry) = self.inner.files.iter().find(|entry| entry.id == id) else {
            return Err(self.missing(format!("file {id} is not in the file table")));
        };
        Ok(self.file_path(entry))
    }
}

/// Bytes of a page's id.
const ID: usize = 16;

fn index_pages(map: &MappedFile, frames: &[(Frame, usize)]) -> io::Result<PageIndex> {
    let mut index = PageIndex::default();
    let (mut unpacker, mut hashes) = (Decompressor::new()?, Vec::new());
    for pair in frames.windows(2) {
        let [(ids, at), (body, body_at)] = pair else {
            continue;
        };
        // An index frame (first 0) and the pages it names (first 1) have one sequence number.
        if ids.first != 0 || body.first != 1 || ids.seq != body.seq {
            continue;
        }
        // No writer puts more pages into a frame.
        let pages = usize::try_from(ids.count).ok().filter(|pages| *pages <= FRAME_PAGES);
        let (Some(pages), true) = (pages, ids.count == body.count) else { continue };
        let Some(payload) = payload(map, ids, *at) else { continue };
        if !ids.unpack_into(pages * ID, payload, &mut unpacker, &mut hashes) {
            continue;
        }
        for (nth, hash) in (0_u32..).zip(hashes.as_chunks::<ID>().0) {
            index.insert(PageId::from_hash(u128::from_le_bytes(*hash)), *body_at, nth);
        }
    }
    Ok(index)
}

fn read_files(map: &MappedFile, frames: &[(Frame, usize)]) -> Vec<FileEntry> {
    frames.iter().filter_map(|(frame, at)| take(&mut unpack(map, frame, *at)?.as_slice())).collect()
}

/// A checkpoint with what follows it.
fn take_checkpoint(mut raw: &[u8]) -> Option<Checkpoint> {
    let mut checkpoint: Checkpoint = take(&mut raw)?;
    if !raw.is_empty() {
        checkpoint.segments = take(&mut raw)?;
    }
    Some(checkpoint)
}

fn read_checkpoints(
    map: &MappedFile,
    frames: &[(Frame, usize)],
    event_count: u64,
    pages: &PageIndex,
) -> Vec<Checkpoint> {
    let mut list = Vec::new();
    for (frame, at) in frames {
        let decoded = unpack(map, frame, *at)
            .and_then(|raw| take_checkpoint(&raw))
            .filter(|checkpoint| checkpoint.event.get() <= event_count);
        // Later ones build on this one: without it they are worth nothing.
        let Some(checkpoint) = decoded else { break };
        let listed = checkpoint.spaces.iter().flat_map(|s| s.pages.iter().map(|(_, id)| id));
        let shared = checkpoint.shared.iter().flat_map(|s| s.pages.iter().map(|(_, id)| id));
        if !listed.chain(shared).all(|id| pages.find(*id).is_some()) {
            break;
        }
        list.push(checkpoint);
    }
    list
}
