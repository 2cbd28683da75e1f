//! Calls that shape the address space.

pub(crate) mod growth;
pub(crate) mod image;
pub(crate) mod inheritance;
pub(crate) mod marks;
pub(crate) mod own;
pub(crate) mod page_diff;
pub(crate) mod page_patches;
pub(crate) mod partial;
pub(crate) mod scratch;
pub(crate) mod shared;
pub(crate) mod tracking;
pub(crate) mod vdso;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use retake_abi::consts::madvise;
use retake_abi::{Errno, MemoryCall};
use retake_model::{
    Addr, AddrRange, Backing, FileOffset, Mapping, PAGE_SIZE, Protection, Registers, SpaceId,
};
use retake_ptrace::Stopped;
use retake_recording::Effect;
use retake_tracee::MappingTable;

use crate::book::{Book, Draft};
use crate::error::RecordError;
use crate::files::descriptors::descriptor;
use crate::files::{Mapped, nonzero_pages_in};
use crate::memory::marks::Fork;
use crate::tasks::Task;
use crate::world::World;

const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_GROWSDOWN: u64 = 0x100;
const PROT_GROWSDOWN: u64 = 0x0100_0000;
const PROT_GROWSUP: u64 = 0x0200_0000;
const MREMAP_DONTUNMAP: u64 = 4;

/// First address above user memory (4-level page tables).
const USER_END: u64 = 0x7fff_ffff_f000;

/// Whether it is `/dev/zero` (device 1, 5): mapped shared, that is shared anonymous memory.
fn is_zero_device(file: &File) -> bool {
    use std::os::unix::fs::FileTypeExt;
    file.metadata().is_ok_and(|meta| meta.file_type().is_char_device() && meta.rdev() == 0x105)
}

fn pages(start: u64, len: u64) -> Option<AddrRange> {
    AddrRange::with_len(Addr::new(start), len).map(AddrRange::to_pages)
}

/// Where a mapping that grows downwards starts; what it has grown by is listed apart. `None` if `at` is in
/// none.
fn grown_start(table: &MappingTable, at: Addr) -> Option<Addr> {
    let first = table.find(at).filter(|mapping| mapping.grows_down)?;
    let mut start = first.range.start();
    while let Some(below) = start.get().checked_sub(1).and_then(|at| table.find(Addr::new(at)))
        && below.grows_down
        && below.prot == first.prot
    {
        start = below.range.start();
    }
    Some(start)
}

impl World {
    /// Growth of a mapping downwards would depend on what is touched when: such mappings are plain, and are
    /// protected down to their start on the program's behalf. What is moved must be one mapping if it is
    /// without us.
    pub(crate) fn prepare_memory_call(
        &mut self,
        task: &Task,
        stopped: &mut Stopped,
        kind: MemoryCall,
        entry: &Registers,
    ) -> Result<(), RecordError> {
        match kind {
            // Of anything but private anonymous memory the kernel refuses it.
            MemoryCall::Map
                if entry.r10 & (MAP_GROWSDOWN | MAP_SHARED | MAP_ANONYMOUS)
                    == MAP_GROWSDOWN | MAP_ANONYMOUS =>
            {
                stopped.set_registers(&Registers { r10: entry.r10 & !MAP_GROWSDOWN, ..*entry })?;
            }
            MemoryCall::Protect
                if entry.rdx & (PROT_GROWSDOWN | PROT_GROWSUP) == PROT_GROWSDOWN =>
            {
                let table = &self.space(task.space)?.table;
                let start = Addr::new(entry.rdi);
                if let Some(whole) = pages(entry.rdi, entry.rsi)
                    && whole.start() == start
                    && !whole.is_empty()
                    && let Some(start) = grown_start(table, start)
                {
                    let rsi = whole.end().get() - start.get();
                    let rdx = entry.rdx & !PROT_GROWSDOWN;
                    stopped.set_registers(&Registers { rdi: start.get(), rsi, rdx, ..*entry })?;
                }
            }
            MemoryCall::Unmap => crate::memory::own::spare(stopped, entry)?,
            MemoryCall::Remap => {
                if let Some(range) = pages(entry.rdi, entry.rsi) {
                    self.space(task.space)?.tracking.release(range);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes a change of the address space known: to our table, to write-tracking, to the event.
    pub(crate) fn change(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        effect: Effect,
    ) -> Result<(), RecordError> {
        self.change_in(draft, task, task.space, effect)
    }

    /// The same in another address space.
    pub(crate) fn change_in(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        space: SpaceId,
        effect: Effect,
    ) -> Result<(), RecordError> {
        self.change_space(space, &effect)?;
        if space == task.space {
            draft.add(&effect);
        } else {
            self.space(space)?.foreign_changes += 1;
            draft.add(&Effect::In { space, effect: Box::new(effect) });
        }
        Ok(())
    }

    /// Makes a change known to our table and to write-tracking only.
    pub(crate) fn change_space(
        &mut self,
        space: SpaceId,
        effect: &Effect,
    ) -> Result<(), RecordError> {
        let space = self.space(space)?;
        match effect {
            Effect::Map { mapping } => {
                space.inheritance.forget(mapping.range);
                space.fast.forget(mapping.range);
                space.random.forget(mapping.range);
                space.table.map(mapping.clone());
                space.forget_contents(mapping.range);
                space.join_neighbours(mapping.range);
            }
            Effect::Unmap { range } => {
                space.inheritance.forget(*range);
                space.fast.forget(*range);
                space.random.forget(*range);
                space.table.unmap(*range);
                space.forget_contents(*range);
            }
            Effect::Protect { range, prot } => space.table.protect(*range, *prot),
            Effect::Move { from, to, keep } => {
                space.inheritance.moved(*from, *to, *keep);
                space.random.moved(*from, *to);
                if !keep {
                    space.random.forget(*from);
                }
                space.table.move_range(*from, *to, *keep);
                space.forget_contents(*from);
                space.forget_contents(*to);
                space.join_neighbours(*to);
            }
            Effect::Discard { range } => space.forget_contents(*range),
            _ => {}
        }
        Ok(())
    }

    fn advised(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        range: AddrRange,
        advice: u64,
    ) -> Result<(), RecordError> {
        match advice {
            madvise::MADV_DONTNEED | madvise::MADV_DONTNEED_LOCKED => {
                self.discard(draft, task, range)?
            }
            madvise::MADV_REMOVE => {
                for part in self.space(task.space)?.table.parts(range) {
                    if let Some((shared, offset)) = part.backing.shared_object() {
                        let (offset, len) = (offset.get(), part.range.len());
                        draft.add(&Effect::ZeroShared { shared, offset, len });
                    }
                }
            }
            madvise::MADV_DONTFORK => {
                self.space(task.space)?.inheritance.mark(range, Fork::Absent);
            }
            madvise::MADV_DOFORK => {
                self.space(task.space)?.inheritance.unmark(range, Fork::Absent);
            }
            madvise::MADV_WIPEONFORK => {
                self.space(task.space)?.inheritance.mark(range, Fork::Wiped);
            }
            madvise::MADV_KEEPONFORK => {
                self.space(task.space)?.inheritance.unmark(range, Fork::Wiped);
            }
            _ => {}
        }
        Ok(())
    }

    fn discard(
        &mut self,
        draft: &mut Draft,
        task: &Task,
        range: AddrRange,
    ) -> Result<(), RecordError> {
        let parts: Vec<AddrRange> =
            self.space(task.space)?.table.parts(range).iter().map(|m| m.range).collect();
        for range in parts {
            self.change(draft, task, Effect::Discard { range })?;
        }
        Ok(())
    }

    fn heap_moved(&mut self, draft: &mut Draft, task: &Task, end: u64) -> Result<(), RecordError> {
        let space = self.space(task.space)?;
        let old = space.brk.replace(end).unwrap_or(end);
        let (old, new) = (old.next_multiple_of(PAGE_SIZE), end.next_multiple_of(PAGE_SIZE));
        if let Some(range) =
            AddrRange::new(Addr::new(old), Addr::new(new)).filter(|r| !r.is_empty())
        {
            let prot = Protection::READ.union(Protection::WRITE);
            let mapping = Mapping { range, prot, backing: Backing::Anonymous, grows_down: false };
            self.change(draft, task, Effect::Map { mapping })?;
        } else if let Some(range) =
            AddrRange::new(Addr::new(new), Addr::new(old)).filter(|r| !r.is_empty())
        {
            self.change(draft, task, Effect::Unmap { range })?;
        }
        Ok(())
    }

    pub(crate) fn memory_call_done(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &mut Task,
        kind: MemoryCall,
        args: &[u64; 6],
        result: i64,
    ) -> Result<(), RecordError> {
        let [a, b, c, d, ..] = *args;
        let failed = Errno::from_result(result);
        let partial = failed == Some(Errno::ENOMEM);
        match kind {
            MemoryCall::Break => return self.heap_moved(draft, task, result.cast_unsigned()),
            MemoryCall::Advise => {
                return match pages(a, b) {
                    Some(range) if failed.is_none() || partial => {
                        self.advised(draft, task, range, c)
                    }
                    Some(range) if c == madvise::MADV_DONTNEED => {
                        self.discard_what_is_gone(draft, task, range)
                    }
                    _ => Ok(()),
                };
            }
            MemoryCall::Protect if failed.is_some() => {
                return pages(a, b)
                    .map_or(Ok(()), |range| self.follow_protections(draft, task, range));
            }
            _ if failed.is_some() => return Ok(()),
            _ => {}
        }
        let at = result.cast_unsigned();
        match kind {
            MemoryCall::Map => self.mapped(book, draft, task, at, args)?,
            MemoryCall::Unmap => {
                if let Some(range) = pages(a, b) {
                    self.change(draft, task, Effect::Unmap { range })?;
                }
            }
            MemoryCall::Protect => {
                if let Some(range) = pages(a, b) {
                    if c & PROT_GROWSDOWN != 0 {
                        // Down to where the mapping starts.
                        let table = &self.space(task.space)?.table;
                        let start = grown_start(table, range.start())
                            .or_else(|| table.find(range.start()).map(|m| m.range.start()));
                        let whole = start.and_then(|start| AddrRange::new(start, range.end()));
                        return self.follow_protections(draft, task, whole.unwrap_or(range));
                    }
                    let prot = Protection::from_bits(c);
                    self.change(draft, task, Effect::Protect { range, prot })?;
                }
            }
            MemoryCall::Remap if b == 0 => {
                // A second mapping of what is shared.
                let there = self.space(task.space)?.table.find(Addr::new(a)).cloned();
                if let (Some(old), Some(range)) = (there, pages(at, c))
                    && let Some(backing) = old.backing_at(Addr::new(a))
                {
                    let mapping = Mapping { range, backing, ..old };
                    self.change(draft, task, Effect::Map { mapping })?;
                    self.keep_grown(book, draft, task, range)?;
                }
            }
            MemoryCall::Remap => {
                if let (Some(from), Some(to)) = (pages(a, b), pages(at, c)) {
                    let keep = d & MREMAP_DONTUNMAP != 0;
                    self.change(draft, task, Effect::Move { from, to, keep })?;
                    let old_end = to.start().checked_add(from.len());
                    if let Some(more) = old_end.and_then(|end| AddrRange::new(end, to.end())) {
                        self.keep_grown(book, draft, task, more)?;
                    }
                }
            }
            MemoryCall::ShmAttach => self.segment_attached(book, draft, task, Addr::new(at))?,
            MemoryCall::ShmDetach => {
                let len = self.space(task.space)?.attached.remove(&Addr::new(a));
                if let Some(range) = len.and_then(|len| pages(a, len)) {
                    self.change(draft, task, Effect::Unmap { range })?;
                }
            }
            MemoryCall::Break | MemoryCall::Advise => {}
        }
        Ok(())
    }

    fn mapped(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        at: u64,
        args: &[u64; 6],
    ) -> Result<(), RecordError> {
        let [_, len, prot, flags, fd, offset] = *args;
        let Some(range) = pages(at, len) else {
            return Ok(());
        };
        let prot = Protection::from_bits(prot);
        let shared = flags & MAP_SHARED != 0;
        let grows_down = flags & MAP_GROWSDOWN != 0;
        let plain = |backing| Mapping { range, prot, backing, grows_down };
        if flags & MAP_ANONYMOUS != 0 && !shared {
            return self.change(draft, task, Effect::Map { mapping: plain(Backing::Anonymous) });
        }
        if flags & MAP_ANONYMOUS != 0 {
            return self.map_shared_anonymous(book, draft, task, range.start()).map(|_| ());
        }
        let link = PathBuf::from(format!("/proc/{}/fd/{}", task.tid, descriptor(fd)));
        let path = std::fs::read_link(&link).unwrap_or_default();
        let offset = FileOffset::new(offset);
        let identity = std::fs::metadata(&link).ok().map(|meta| (meta.dev(), meta.ino()));
        if let Some(identity) = identity {
            self.file_gets_mapped(draft, task, identity)?;
        }
        let Ok(file) = File::open(&link) else {
            return self.map_by_contents(book, draft, task, plain(Backing::Copied), identity);
        };
        let meta = file.metadata().ok();
        if shared
            && is_written_through(&link, prot)
            && let Some(meta) = meta.filter(|m| m.is_file())
        {
            let identity = (meta.dev(), meta.ino());
            if meta.nlink() > 0 {
                self.files.warn_shared(&mut book.writer, &path);
            }
            if !self.files.is_shared(identity) {
                // Private mappings of it show what is stored through this one.
                self.share_kept_file(book, draft, task, identity, || file.try_clone().ok())?;
            }
            let id =
                self.files.shared_object(&mut book.writer, draft, identity, meta.len(), Some(file));
            let backing = Backing::Shared { shared: id, offset };
            return self.change(draft, task, Effect::Map { mapping: plain(backing) });
        }
        if let Some(meta) = file.metadata().ok().filter(|meta| meta.is_file())
            && let Some(object) = self.files.object((meta.dev(), meta.ino()))
        {
            let backing = Backing::Private { shared: object.id, offset };
            return self.change(draft, task, Effect::Map { mapping: plain(backing) });
        }
        if shared && is_zero_device(&file) {
            return self.map_shared_anonymous(book, draft, task, range.start()).map(|_| ());
        }
        let part = offset.get()..offset.get().saturating_add(range.len());
        match self.files.keep(&mut book.writer, &path, &file, Some(part))? {
            Mapped::Kept(kept) => {
                let backing = Backing::File { file: kept, offset };
                self.change(draft, task, Effect::Map { mapping: plain(backing) })?;
                if !shared && prot.allows(Protection::EXEC) {
                    self.replace_random(book, draft, task, &file, (range, offset))?;
                }
                Ok(())
            }
            Mapped::Zero => {
                self.change(draft, task, Effect::Map { mapping: plain(Backing::Anonymous) })
            }
            Mapped::Other => {
                self.map_by_contents(book, draft, task, plain(Backing::Copied), identity)
            }
        }
    }

    /// Replaces the random numbers in the code of a file that has just been mapped.
    fn replace_random(
        &mut self,
        book: &Book,
        draft: &mut Draft,
        task: &Task,
        file: &File,
        place: (AddrRange, FileOffset),
    ) -> Result<(), RecordError> {
        let Some(replaced) = &mut self.replaced else { return Ok(()) };
        let sites =
            replaced.random.replace(file, place, (&task.memory, &book.writer), |at, code| {
                crate::calls::threads::write_now(draft, task, at, code);
            });
        self.space(task.space)?.random.extend(sites);
        Ok(())
    }

    /// A mapping of something we cannot keep: its bytes as they are now. Where there are none, as of a socket,
    /// touching it is a fault: so it is with what is behind the end of an object.
    fn map_by_contents(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        mapping: Mapping,
        identity: Option<(u64, u64)>,
    ) -> Result<(), RecordError> {
        let range = mapping.range;
        if let Some(identity) = identity
            && task.memory.read_exact(range.start(), &mut [0]).is_err()
        {
            let shared = self.files.shared_object(&mut book.writer, draft, identity, 0, None);
            let backing = Backing::Shared { shared, offset: FileOffset::new(0) };
            return self.change(
                draft,
                task,
                Effect::Map { mapping: Mapping { backing, ..mapping } },
            );
        }
        self.change(draft, task, Effect::Map { mapping })?;
        let len = usize::try_from(range.len()).unwrap_or(0);
        let memory = &task.memory;
        draft.write_with(range.start(), len, |out| memory.read(range.start(), out).unwrap_or(0));
        Ok(())
    }

    /// The shared object behind the mapping at `addr`, by what the kernel says of it.
    fn shared_at(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        addr: Addr,
    ) -> Result<Option<(Backing, AddrRange, Protection)>, RecordError> {
        let maps = retake_tracee::read_maps(task.tid)
            .map_err(|error| RecordError::System { attempt: "read /proc/PID/maps", error })?;
        let Some(entry) = maps.into_iter().find(|m| m.range.contains(addr)) else {
            return Ok(None);
        };
        let (start, len) = (entry.range.start(), entry.range.len());
        let before = draft.count();
        let identity = (entry.dev, entry.ino);
        let id = self.files.shared_object(&mut book.writer, draft, identity, len, None);
        if draft.count() > before {
            // Others may have written to it before it was known.
            let mut batch = book.writer.pool().batch();
            nonzero_pages_in(&task.memory, start, len, entry.offset.get(), &mut batch);
            for (addr, bytes) in batch.pages() {
                let (offset, bytes) = (addr.addr().get(), bytes.to_vec());
                draft.add(&Effect::SharedWrite { shared: id, offset, bytes });
            }
        }
        let backing = Backing::Shared { shared: id, offset: entry.offset };
        Ok(Some((backing, entry.range, entry.prot)))
    }

    /// Memory that is shared without a descriptor was mapped at `addr`: where all of it is, as the kernel says.
    fn map_shared_anonymous(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        addr: Addr,
    ) -> Result<Option<AddrRange>, RecordError> {
        let Some((backing, range, prot)) = self.shared_at(book, draft, task, addr)? else {
            return Ok(None);
        };
        let mapping = Mapping { range, prot, backing, grows_down: false };
        self.change(draft, task, Effect::Map { mapping })?;
        Ok(Some(range))
    }

    fn segment_attached(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        addr: Addr,
    ) -> Result<(), RecordError> {
        if let Some(range) = self.map_shared_anonymous(book, draft, task, addr)? {
            self.space(task.space)?.attached.insert(addr, range.len());
        }
        Ok(())
    }
}

/// Whether a shared mapping can change: one through a read-only descriptor is as good as
/// private.
fn is_written_through(link: &std::path::Path, prot: Protection) -> bool {
    prot.allows(Protection::WRITE)
        || std::fs::symlink_metadata(link).is_ok_and(|meta| meta.mode() & 0o200 != 0)
}

impl crate::tasks::Space {
    /// The next checkpoint takes every page.
    pub(crate) fn take_all_again(&mut self) {
        let Some(all) = AddrRange::new(Addr::NULL, Addr::new(USER_END)) else {
            return;
        };
        self.tracking.forget(all);
        self.cleared = vec![all];
    }

    /// `range` was mapped: if it is anonymous memory next to such memory, write-tracking does not stand
    /// between them.
    fn join_neighbours(&self, range: AddrRange) {
        let anonymous = |addr| {
            self.table.find(addr).is_some_and(|mapping| mapping.backing == Backing::Anonymous)
        };
        let before = Addr::new(range.start().get().wrapping_sub(1));
        if anonymous(range.start()) && (anonymous(before) || anonymous(range.end())) {
            self.tracking.join(range);
        }
    }

    /// The pages of `range` are not what the last checkpoint says any more.
    pub(crate) fn forget_contents(&mut self, range: AddrRange) {
        self.tracking.forget(range);
        self.cleared.push(range);
        if self.cleared.len() > 4096 {
            // Many small ones: one large one is right too, as its pages are all taken again.
            let start = self.cleared.iter().map(|r| r.start()).min();
            let end = self.cleared.iter().map(|r| r.end()).max();
            if let Some(whole) = start.zip(end).and_then(|(s, e)| AddrRange::new(s, e)) {
                self.tracking.forget(whole);
                self.cleared = vec![whole];
            }
        }
    }
}
