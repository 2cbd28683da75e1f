//! Calls that change memory through a descriptor: files that are mapped, and `/proc/PID/mem`.

use std::fs::File;
use std::os::unix::fs::FileExt;

use retake_abi::nr;
use retake_model::{Addr, AddrRange, Backing, Mapping, PAGE_LEN, PAGE_SIZE, SpaceId, Tid};
use retake_ptrace::{PageMap, ProcessMemory};
use retake_recording::Effect;

use crate::book::{Book, Draft};
use crate::calls::view::View;
use crate::error::RecordError;
use crate::files::descriptors::{Identity, Target, descriptor, position};
use crate::tasks::{OpenCall, Task};
use crate::world::World;

/// No effect holds more bytes than this.
const PIECE: u64 = 1 << 20;
const O_TRUNC: u64 = 0x200;
/// `FALLOC_FL_PUNCH_HOLE`, `FALLOC_FL_ZERO_RANGE` (fallocate(2)).
const MAKES_ZEROES: u64 = 0x02 | 0x10;
/// `FALLOC_FL_COLLAPSE_RANGE`, `FALLOC_FL_INSERT_RANGE`: everything behind moves.
const MOVES: u64 = 0x08 | 0x20;
const FICLONE: u64 = 0x4004_9409;
const FICLONERANGE: u64 = 0x4020_940d;

/// What a call did to a file.
#[derive(Clone, Copy, Debug)]
struct FileChange {
    fd: i32,
    part: Part,
}

/// Which part of the file.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Up to the descriptor's position, so many bytes.
    BeforePosition(u64),
    /// From an offset, so many bytes. For a descriptor that appends, the file's last bytes.
    At(u64, u64),
    /// These became zeroes.
    Zeroes(u64, u64),
    /// Only its length, if anything.
    Length,
    /// Any.
    All,
}

/// What a call with this result did to a file, if it does such things.
fn file_change(open: &OpenCall, memory: &ProcessMemory, result: i64) -> Option<FileChange> {
    let [a, b, c, d, ..] = open.args;
    let done = u64::try_from(result).ok()?;
    let change = |fd, part| Some(FileChange { fd: descriptor(fd), part });
    let written = |fd, part| if done > 0 { change(fd, part) } else { None };
    let after = |pointer: u64| match pointer {
        0 => Some(Part::BeforePosition(done)),
        at => Some(Part::At(memory.read_u64(Addr::new(at)).ok()?.checked_sub(done)?, done)),
    };
    match open.call.no {
        nr::WRITE | nr::WRITEV => written(a, Part::BeforePosition(done)),
        nr::PWRITE64 | nr::PWRITEV => written(a, Part::At(d, done)),
        nr::PWRITEV2 if d == u64::MAX => written(a, Part::BeforePosition(done)),
        nr::PWRITEV2 => written(a, Part::At(d, done)),
        nr::SENDFILE => written(a, Part::BeforePosition(done)),
        nr::SPLICE | nr::COPY_FILE_RANGE => written(c, after(d)?),
        nr::FTRUNCATE => change(a, Part::Length),
        nr::FALLOCATE if b & MOVES != 0 => change(a, Part::All),
        nr::FALLOCATE if b & MAKES_ZEROES != 0 => change(a, Part::Zeroes(c, d)),
        nr::FALLOCATE => change(a, Part::Length),
        nr::OPEN if b & O_TRUNC != 0 => change(done, Part::Length),
        nr::CREAT => change(done, Part::Length),
        nr::OPENAT if c & O_TRUNC != 0 => change(done, Part::Length),
        nr::OPENAT2 => {
            let flags = memory.read_u64(Addr::new(c)).ok()?;
            if flags & O_TRUNC != 0 { change(done, Part::Length) } else { None }
        }
        nr::IOCTL if matches!(b & 0xffff_ffff, FICLONE | FICLONERANGE) => change(a, Part::All),
        _ => None,
    }
}

impl World {
    /// Adds what a shared object holds in a range.
    fn record_contents(&mut self, draft: &mut Draft, identity: Identity, from: u64, until: u64) {
        let mut at = from;
        while at < until {
            let Some(object) = self.files.object(identity) else { return };
            let shared = object.id;
            let Some(file) = &object.file else { return };
            let mut bytes = vec![0; usize::try_from((until - at).min(PIECE)).unwrap_or(0)];
            let Ok(got @ 1..) = file.read_at(&mut bytes, at) else { return };
            bytes.truncate(got);
            draft.add(&Effect::SharedWrite { shared, offset: at, bytes });
            at += got as u64;
        }
    }

    /// Brings a shared object's length up to date. Gives the old and the new one if they differ.
    fn length_changed(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        identity: Identity,
    ) -> Result<Option<(u64, u64)>, RecordError> {
        let Some(object) = self.files.object_mut(identity) else {
            return Ok(None);
        };
        let Some(now) = object.file.as_ref().and_then(|f| f.metadata().ok()).map(|m| m.len())
        else {
            return Ok(None);
        };
        let old = object.bytes;
        if now == old {
            return Ok(None);
        }
        object.bytes = now;
        let (shared, len) = (object.id, now.next_multiple_of(PAGE_SIZE));
        let pages_differ = len != object.len;
        object.len = len;
        if pages_differ {
            draft.add(&Effect::ResizeShared { shared, len });
        }
        if now < old {
            // The rest of the last page is cleared, and private pages beyond the end are gone.
            if len > now {
                let offset = now;
                draft.add(&Effect::ZeroShared { shared, offset, len: len - now });
            }
            self.forget_pages_beyond(task, shared, len)?;
        } else {
            self.record_contents(draft, identity, old, now.min(old.next_multiple_of(PAGE_SIZE)));
        }
        Ok(Some((old, now)))
    }

    fn forget_pages_beyond(
        &mut self,
        _task: &Task,
        shared: retake_model::SharedId,
        len: u64,
    ) -> Result<(), RecordError> {
        for space in self.spaces.values_mut() {
            let mut gone = Vec::new();
            for mapping in space.table.iter() {
                let Backing::Private { shared: own, offset } = mapping.backing else { continue };
                let keep = len.saturating_sub(offset.get()).min(mapping.range.len());
                let start = Addr::new(mapping.range.start().get() + keep);
                if own == shared
                    && let Some(range) = AddrRange::new(start, mapping.range.end())
                {
                    gone.push(range);
                }
            }
            for range in gone {
                space.forget_contents(range);
            }
        }
        Ok(())
    }

    /// A task whose memory `space` is.
    fn tid_in(&self, task: &Task, space: SpaceId) -> Option<Tid> {
        if task.space == space {
            return Some(task.tid);
        }
        self.tasks.values().find(|other| other.space == space && !other.ended).map(|t| t.tid)
    }

    /// process_vm_writev(2) wrote to these places, in order.
    fn note_foreign_writes(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        open: &OpenCall,
        result: i64,
    ) -> Result<(), RecordError> {
        let Ok(mut left @ 1..) = u64::try_from(result) else {
            return Ok(());
        };
        let [pid, _, _, remote, count, _] = open.args;
        let pid = Tid::new(descriptor(pid));
        for (addr, len) in retake_abi::read_iovecs(&View(&task.memory), Addr::new(remote), count) {
            let len = len.min(left);
            left -= len;
            self.note_write_into(draft, task, pid, addr, len)?;
        }
        Ok(())
    }

    /// Memory of process or task `pid` was written.
    fn note_write_into(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        pid: Tid,
        addr: Addr,
        len: u64,
    ) -> Result<(), RecordError> {
        let is_it = |other: &Task| other.tid == pid || other.pid == pid;
        let space = if is_it(task) {
            Some(task.space)
        } else {
            self.tasks.values().find(|other| is_it(other)).map(|other| other.space)
        };
        let Some(space) = space else {
            // Not recorded: nothing of ours changed.
            return Ok(());
        };
        self.space(space)?.foreign_changes += 1;
        let memory = ProcessMemory::new(pid);
        let mut done = 0;
        while done < len {
            let mut bytes = vec![0; usize::try_from((len - done).min(PIECE)).unwrap_or(0)];
            let at = Addr::new(addr.get().wrapping_add(done));
            let Ok(got @ 1..) = memory.read(at, &mut bytes) else { break };
            bytes.truncate(got);
            draft.add(&Effect::ForeignWrite { space, addr: at, bytes });
            done += got as u64;
        }
        Ok(())
    }

    /// Notes what a call changed in memory other than through pointers.
    pub(crate) fn note_file_changes(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        open: &OpenCall,
        result: i64,
    ) -> Result<(), RecordError> {
        if open.call.no == nr::TRUNCATE && result == 0 {
            return self.lengths_changed(book, draft, task);
        }
        if open.call.no == nr::PROCESS_VM_WRITEV {
            return self.note_foreign_writes(draft, task, open, result);
        }
        let Some(change) = file_change(open, &task.memory, result) else {
            return Ok(());
        };
        match self.descriptors.target(task.process(), change.fd) {
            Target::Told(_) | Target::Other => Ok(()),
            Target::Memory(pid) => {
                let (from, len) = match change.part {
                    Part::BeforePosition(len) => {
                        let Some(end) = position(task.tid, change.fd) else {
                            let what = "where a write into a process's memory went cannot be known";
                            book.warn_once(what.to_owned());
                            return Ok(());
                        };
                        (end.wrapping_sub(len), len)
                    }
                    Part::At(from, len) => (from, len),
                    _ => return Ok(()),
                };
                self.note_write_into(draft, task, pid, Addr::new(from), len)
            }
            Target::File(identity) => self.file_changed(book, draft, task, identity, change),
        }
    }

    /// A file whose length changed, but which one is not known.
    fn lengths_changed(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
    ) -> Result<(), RecordError> {
        self.share_truncated_files(book, draft, task)?;
        let identities: Vec<Identity> = self.files.identities().collect();
        for identity in identities {
            self.length_changed(draft, task, identity)?;
        }
        Ok(())
    }

    fn file_changed(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        identity: Identity,
        change: FileChange,
    ) -> Result<(), RecordError> {
        if !self.files.is_shared(identity) {
            if !self.files.is_kept(identity) {
                return Ok(());
            }
            // A file that is mapped privately: what was not written through the mapping shows it.
            let link = format!("/proc/{}/fd/{}", task.pid, change.fd);
            return self.share_kept_file(book, draft, task, identity, || File::open(link).ok());
        }
        let grew_from = self.length_changed(draft, task, identity)?;
        let Some(object) = self.files.object(identity) else {
            return Ok(());
        };
        let (id, len) = (object.id, object.len);
        let (from, until) = match change.part {
            // Where the position cannot be known it may be anywhere.
            Part::BeforePosition(bytes) => position(task.tid, change.fd)
                .map_or((0, len), |end| (end.saturating_sub(bytes), end)),
            // It may have been opened for appending.
            Part::At(from, bytes) => match grew_from {
                Some((old, new)) if new.saturating_sub(old) == bytes => (old.min(from), new),
                _ => (from, from.saturating_add(bytes)),
            },
            Part::Zeroes(from, bytes) => {
                let bytes = bytes.min(len.saturating_sub(from));
                draft.add(&Effect::ZeroShared { shared: id, offset: from, len: bytes });
                return Ok(());
            }
            Part::Length => return Ok(()),
            Part::All => (0, len),
        };
        self.record_contents(draft, identity, from, until);
        Ok(())
    }

    /// After truncate(2) with a path: files that are mapped privately and are not as long any more.
    fn share_truncated_files(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
    ) -> Result<(), RecordError> {
        for (identity, path, len) in self.files.kept_paths() {
            let Ok(file) = File::open(&path) else { continue };
            let same = file.metadata().is_ok_and(|meta| {
                use std::os::unix::fs::MetadataExt;
                (meta.dev(), meta.ino()) == identity && meta.len() != len
            });
            if same {
                self.share_kept_file(book, draft, task, identity, || Some(file))?;
            }
        }
        Ok(())
    }

    /// A kept file that is mapped privately was changed, or is about to be through another mapping: it
    /// becomes a shared object, and its private mappings show that from here on.
    pub(crate) fn share_kept_file(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        identity: Identity,
        open: impl FnOnce() -> Option<File>,
    ) -> Result<(), RecordError> {
        let kept = self.files.kept_ids(identity);
        let mut found: Vec<(SpaceId, Mapping)> = Vec::new();
        for (id, space) in &self.spaces {
            let of_it = |m: &&Mapping| matches!(m.backing, Backing::File { file, .. } if kept.contains(&file));
            found.extend(space.table.iter().filter(of_it).map(|mapping| (*id, mapping.clone())));
        }
        if found.is_empty() {
            return Ok(());
        }
        let Some(file) = open() else { return Ok(()) };
        let len = file
            .metadata()
            .map_err(|error| RecordError::System { attempt: "ask how long a file is", error })?
            .len();
        let shared = self.files.shared_object(&mut book.writer, draft, identity, len, Some(file));
        for (space, mapping) in found {
            let Backing::File { offset, .. } = mapping.backing else { continue };
            let Some(tid) = self.tid_in(task, space) else { continue };
            let range = mapping.range;
            let backing = Backing::Private { shared, offset };
            self.change_in(
                draft,
                task,
                space,
                Effect::Map { mapping: Mapping { backing, ..mapping } },
            )?;
            let mut pages = Vec::new();
            self.space(space)?.tracking.own_pages(&PageMap::open(tid)?, range, &mut pages)?;
            let memory = ProcessMemory::new(tid);
            for page in pages {
                let mut bytes = vec![0; PAGE_LEN];
                if memory.read_exact(page.addr(), &mut bytes).is_ok() {
                    let addr = page.addr();
                    draft.add(&Effect::ForeignWrite { space, addr, bytes });
                }
            }
        }
        Ok(())
    }
}
