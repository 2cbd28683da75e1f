//! Writing a recording.

mod background;
mod worker;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use retake_model::{EventIndex, PageAddr, PageId, Registers, TaskId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoints::draft::CheckpointDraft;
use crate::codec::{file_header, pack, put};
use crate::error::{RecordingError, RecordingErrorKind};
use crate::events::effects::EffectBuffer;
use crate::events::event::{Event, EventKind};
use crate::live::{Lock, hold};
use crate::manifest::{End, Manifest};
use crate::mmap::MappedFile;
use crate::names;
use crate::pages::batch::{PageBatch, PagePool};
use crate::pages::page_id;
use crate::store::beside::{self, BesideFile};
use crate::store::files::{FileEntry, FileKey, FileStore, KeptFile};
use crate::store::noted::{self, NoteSubject};
use crate::store::remembered;
use crate::writer::background::Shared;
use crate::writer::worker::{Outputs, SYNC_EVERY, run};

/// How to write.
pub struct WriterOptions {
    /// Folder of the content store that all recordings share.
    pub store: PathBuf,
    /// Called on the background thread when it starts (to bind it to a CPU).
    pub on_thread_start: Option<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for WriterOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriterOptions").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Where.
    pub dir: PathBuf,
    /// Events.
    pub events: u64,
    /// Checkpoints.
    pub checkpoints: u32,
    /// Bytes in the folder; kept files that other recordings share count as nothing.
    pub bytes: u64,
    /// What could not be recorded as it was, a sentence each.
    pub warnings: Vec<String>,
}

/// A recording being written. Hashing, compression and disk are a background thread's; the caller
/// only encodes.
#[derive(Debug)]
pub struct RecordingWriter {
    dir: PathBuf,
    manifest: Manifest,
    shared: Arc<Shared>,
    pool: PagePool,
    /// Gives the number of checkpoints it has written.
    thread: Option<JoinHandle<u32>>,
    files: FileStore,
    file_table: File,
    beside: Vec<BesideFile>,
    events: u64,
    /// Let go of last: until then the recording is being written. None: it is closed.
    lock: Option<Lock>,
}

fn create(dir: &Path, (name, kind): (&str, [u8; 6])) -> Result<File, RecordingError> {
    let path = dir.join(name);
    let failed = |error: std::io::Error| RecordingError::new("create", &path, error);
    let mut file = File::options().append(true).create_new(true).open(&path).map_err(failed)?;
    file.write_all(&file_header(kind)).map_err(failed)?;
    Ok(file)
}

/// What is in a folder.
fn names(dir: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

/// Takes what is new out of a folder, as far as that can be done.
fn take_back(dir: &Path, before: &BTreeSet<OsString>) {
    for name in names(dir).difference(before) {
        let path = dir.join(name);
        // The error that led here is the one to tell of.
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }
}

impl RecordingWriter {
    /// Starts a recording in `dir`, which is made if need be.
    ///
    /// # Errors
    /// When there is a recording in it already, or the system refuses: nothing is left in it then.
    pub fn create(
        dir: &Path,
        manifest: Manifest,
        options: WriterOptions,
    ) -> Result<Self, RecordingError> {
        let failed = |error: std::io::Error| RecordingError::new("create", dir, error);
        fs::create_dir_all(dir).map_err(failed)?;
        if dir.join(names::FINISHED).exists() || dir.join(names::PARTIAL).exists() {
            return Err(RecordingError::new("create", dir, RecordingErrorKind::Exists));
        }
        let before = names(dir);
        let lock = hold(dir)?;
        // From here on all that is new is ours.
        Self::begin(dir, lock, manifest, options).inspect_err(|_| take_back(dir, &before))
    }

    fn begin(
        dir: &Path,
        lock: Lock,
        manifest: Manifest,
        options: WriterOptions,
    ) -> Result<Self, RecordingError> {
        let failed = |error: std::io::Error| RecordingError::new("create", dir, error);
        let outputs = Outputs {
            events: create(dir, names::EVENTS)?,
            pages: create(dir, names::PAGES)?,
            checkpoints: create(dir, names::CHECKPOINTS)?,
            manifest: dir.join(names::PARTIAL),
        };
        let file_table = create(dir, names::FILES)?;
        let files = FileStore::new(&options.store, dir).map_err(failed)?;
        for sub in ["sessions", "index"] {
            fs::create_dir_all(dir.join(sub)).map_err(failed)?;
        }
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let start = options.on_thread_start;
        let thread = std::thread::Builder::new()
            .name("retake-writer".to_owned())
            .spawn(move || {
                if let Some(start) = start {
                    start();
                }
                run(&for_thread, outputs)
            })
            .map_err(failed)?;
        let mut writer = Self {
            dir: dir.to_owned(),
            manifest,
            shared,
            pool: PagePool::default(),
            thread: Some(thread),
            files,
            file_table,
            beside: Vec::new(),
            events: 0,
            lock: Some(lock),
        };
        writer.write_manifest(names::PARTIAL)?;
        Ok(writer)
    }

    fn write_manifest(&mut self, name: &str) -> Result<(), RecordingError> {
        let path = self.dir.join(name);
        let failed = |error: std::io::Error| RecordingError::new("write", &path, error);
        let text = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        let temp = self.dir.join("recording.new");
        let mut file = File::create(&temp).map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        fs::rename(&temp, &path).map_err(failed)
    }

    fn failed(&self, error: std::io::Error) -> RecordingError {
        RecordingError::new("write", &self.dir, error)
    }

    /// Adds an event.
    ///
    /// # Errors
    /// When writing failed earlier (disk full): what was written before stays readable.
    pub fn append(
        &mut self,
        task: TaskId,
        kind: &EventKind,
        before: &Registers,
        after: &Registers,
        effects: &EffectBuffer,
    ) -> Result<EventIndex, RecordingError> {
        let index = self.events;
        if self.is_closed() {
            return Ok(EventIndex::new(index));
        }
        self.shared
            .append(index, |chunk| chunk.put(task, kind, before, after, effects))
            .map_err(|error| self.failed(error))?;
        self.events += 1;
        Ok(EventIndex::new(index))
    }

    /// Adds an event that is a value.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_event(&mut self, event: &Event) -> Result<EventIndex, RecordingError> {
        let mut effects = EffectBuffer::new();
        for effect in &event.effects {
            effects.push(effect);
        }
        self.append(event.task, &event.kind, &event.before, &event.after, &effects)
    }

    /// How many events were added.
    pub fn event_count(&self) -> EventIndex {
        EventIndex::new(self.events)
    }

    /// Where to get memory for pages from.
    pub fn pool(&self) -> &PagePool {
        &self.pool
    }

    /// A checkpoint of so many bytes of pages comes soon: the background thread gets memory ready, as
    /// the first touch of memory takes longer than copying into it.
    pub fn prepare_for(&self, bytes: usize) {
        if self.is_closed() {
            return;
        }
        self.shared.prepare(self.pool.clone(), bytes);
    }

    /// Stores pages that an event is going to refer to, and gives their ids.
    pub fn store_image_pages(&mut self, pages: PageBatch) -> Vec<(PageAddr, PageId)> {
        if self.is_closed() {
            return Vec::new();
        }
        let ids: Vec<PageId> = pages.pages().map(|(_, page)| page_id(page)).collect();
        let listed = pages.addrs().iter().copied().zip(ids.iter().copied()).collect();
        self.shared.pages(pages, ids);
        listed
    }

    /// Adds a checkpoint after the events so far. Whether it could be written the next [`Self::append`] says.
    pub fn add_checkpoint(&mut self, draft: CheckpointDraft) {
        if !self.is_closed() {
            self.shared.checkpoint(draft);
        }
    }

    /// Keeps the contents of a file, of a large one at least those of `mapped`; `path` is for people.
    ///
    /// # Errors
    /// When it cannot be read or stored.
    pub fn add_file(
        &mut self,
        path: &[u8],
        source: &File,
        key: FileKey,
        mapped: Option<Range<u64>>,
    ) -> Result<KeptFile, RecordingError> {
        if self.is_closed() {
            return Ok(KeptFile { id: retake_model::FileId::new(0), part: None });
        }
        let (entry, part, new) =
            self.files.keep(path, source, key, mapped).map_err(|error| self.failed(error))?;
        if new {
            let mut raw = Vec::new();
            put(&entry, &mut raw);
            let frame = pack(entry.id.get(), 0, 1, &raw).map_err(|error| self.failed(error))?;
            self.file_table.write_all(&frame).map_err(|error| {
                RecordingError::new("write", &self.dir.join(names::FILES.0), error)
            })?;
        }
        Ok(KeptFile { id: entry.id, part })
    }

    /// Keeps a file that lies beside the program, for whoever looks at the recording.
    ///
    /// # Errors
    /// When it cannot be read or stored. The recording is whole without it.
    pub fn add_beside(
        &mut self,
        path: &[u8],
        source: &File,
        key: FileKey,
    ) -> Result<(), RecordingError> {
        if !self.is_closed() {
            let hash = self.files.link(source, key, None).map_err(|error| self.failed(error))?;
            self.beside.push(BesideFile::new(path.to_owned(), key.size, key.mtime_ns, hash));
        }
        Ok(())
    }

    /// The files that were kept as a whole so far.
    pub fn kept_files(&self) -> Vec<FileEntry> {
        self.files.entries().cloned().collect()
    }

    /// The contents of a kept file, as far as they can be read again.
    pub fn contents(&self, of: &FileEntry) -> Option<MappedFile> {
        MappedFile::open(&self.files.path_of(of)).ok()
    }

    /// Which files belong to a kept one, if that is remembered ([`Self::remember_beside`]) and still so.
    pub fn beside(&self, of: &FileEntry) -> Option<Vec<PathBuf>> {
        remembered::files(self.files.store(), of.hash, &of.path)
    }

    /// Remembers, for all recordings, which files were `found` to belong to a kept one. Nothing but the presence and the
    /// contents of what was at the paths in `looked` has led to that.
    pub fn remember_beside(&self, of: &FileEntry, looked: &[PathBuf], found: &[PathBuf]) {
        remembered::remember(self.files.store(), of.hash, &of.path, (looked, found));
    }

    /// What was noted of the contents of a file ([`Self::note`]); none if nothing was.
    pub fn noted<T: DeserializeOwned>(&self, of: FileKey, subject: NoteSubject) -> Option<T> {
        noted::noted(self.files.store(), of, subject)
    }

    /// Notes, for all recordings, what nothing but the contents of a file has led to.
    pub fn note<T: Serialize>(&self, of: FileKey, subject: NoteSubject, what: &T) {
        noted::note(self.files.store(), of, subject, what);
    }

    /// Changes the manifest. It is written when this returns, if the system lets it be.
    pub fn update_manifest(&mut self, change: impl FnOnce(&mut Manifest)) {
        if self.is_closed() {
            return;
        }
        change(&mut self.manifest);
        // It is written again at the end; a failure shows then.
        let _ = self.write_manifest(names::PARTIAL);
    }

    /// Waits until everything so far is written.
    ///
    /// # Errors
    /// When writing failed.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.shared.drain().map_err(|error| self.failed(error))
    }

    /// Writes what is left and finishes the manifest. A checkpoint whose pages are still being read
    /// ([`crate::PageSource`]) is left out.
    ///
    /// # Errors
    /// When writing failed; the recording stays partial, and readable up to there.
    pub fn finish(mut self, end: End) -> Result<Summary, RecordingError> {
        self.close(end)
    }

    fn is_closed(&self) -> bool {
        self.lock.is_none()
    }

    /// As [`Self::finish`]. What is added from here on is dropped: the program may go on without being
    /// recorded.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn close(&mut self, end: End) -> Result<Summary, RecordingError> {
        self.shared.hurry();
        self.flush()?;
        let checkpoints = self.stop_thread();
        beside::write(&self.dir, &self.beside).map_err(|error| self.failed(error))?;
        self.manifest.end = Some(End { events: self.events, checkpoints, ..end });
        self.write_manifest(names::PARTIAL)?;
        if Duration::from_nanos(end.wall_ns) >= SYNC_EVERY {
            self.sync()?;
        }
        fs::rename(self.dir.join(names::PARTIAL), self.dir.join(names::FINISHED))
            .map_err(|error| self.failed(error))?;
        self.lock = None;
        Ok(Summary {
            dir: self.dir.clone(),
            events: self.events,
            checkpoints,
            bytes: crate::manage::disk_usage(&self.dir),
            warnings: self.manifest.warnings.clone(),
        })
    }

    /// Has everything on disk: not even the machine's end takes it away.
    fn sync(&self) -> Result<(), RecordingError> {
        let binary = [names::EVENTS, names::PAGES, names::CHECKPOINTS, names::FILES];
        for name in binary.map(|(name, _)| name).into_iter().chain([names::PARTIAL, beside::NAME]) {
            let path = self.dir.join(name);
            if name == beside::NAME && self.beside.is_empty() {
                continue;
            }
            File::open(&path)
                .and_then(|file| file.sync_data())
                .map_err(|error| RecordingError::new("sync", &path, error))?;
        }
        Ok(())
    }

    fn stop_thread(&mut self) -> u32 {
        self.shared.close();
        // A panic in it was reported by the panic itself; the files are valid up to there.
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for RecordingWriter {
    fn drop(&mut self) {
        self.shared.hurry();
        self.stop_thread();
    }
}
