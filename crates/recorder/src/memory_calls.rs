//! Calls that shape the address space.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use retake_abi::{Errno, MemoryCall};
use retake_model::{
    Addr, AddrRange, Backing, FileOffset, Mapping, PAGE_SIZE, Protection, Registers,
};
use retake_ptrace::Stopped;
use retake_recording::Effect;

use crate::error::RecordError;
use crate::files::{Mapped, keep};
use crate::session::Session;
use crate::task::Task;

const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_GROWSDOWN: u64 = 0x100;
const MADV_DONTNEED: u64 = 4;
const MREMAP_DONTUNMAP: u64 = 4;

fn pages(start: u64, len: u64) -> Option<AddrRange> {
    AddrRange::with_len(Addr::new(start), len).map(AddrRange::to_pages)
}

impl Session {
    /// Growth of a mapping downwards would depend on what is touched when: such mappings are plain.
    pub(crate) fn prepare_memory_call(
        stopped: &mut Stopped,
        kind: MemoryCall,
        entry: &Registers,
    ) -> Result<(), RecordError> {
        if kind == MemoryCall::Map && entry.r10 & MAP_GROWSDOWN != 0 {
            stopped.set_registers(&Registers { r10: entry.r10 & !MAP_GROWSDOWN, ..*entry })?;
        }
        Ok(())
    }

    pub(crate) fn memory_call_done(
        &mut self,
        task: &mut Task,
        kind: MemoryCall,
        args: &[u64; 6],
        result: i64,
    ) -> Result<(), RecordError> {
        let [a, b, c, d, ..] = *args;
        let failed = Errno::from_result(result);
        let partial = failed == Some(Errno::ENOMEM);
        match kind {
            MemoryCall::Break => return self.heap_moved(task, result.cast_unsigned()),
            MemoryCall::Advise if failed.is_none() || partial => {
                if let Some(range) = pages(a, b).filter(|_| c == MADV_DONTNEED) {
                    self.discard(task, range)?;
                }
                return Ok(());
            }
            _ if failed.is_some() => return Ok(()),
            _ => {}
        }
        let at = result.cast_unsigned();
        match kind {
            MemoryCall::Map => self.mapped(task, at, args)?,
            MemoryCall::Unmap => {
                if let Some(range) = pages(a, b) {
                    self.change(task, Effect::Unmap { range })?;
                }
            }
            MemoryCall::Protect => {
                if let Some(range) = pages(a, b) {
                    let prot = Protection::from_bits(c);
                    self.change(task, Effect::Protect { range, prot })?;
                }
            }
            MemoryCall::Remap => {
                if let (Some(from), Some(to)) = (pages(a, b), pages(at, c)) {
                    let keep = d & MREMAP_DONTUNMAP != 0;
                    self.change(task, Effect::Move { from, to, keep })?;
                }
            }
            MemoryCall::ShmAttach => self.segment_attached(task, Addr::new(at))?,
            MemoryCall::ShmDetach => {
                let len = self.space(task.space)?.attached.remove(&Addr::new(a));
                if let Some(range) = len.and_then(|len| pages(a, len)) {
                    self.change(task, Effect::Unmap { range })?;
                }
            }
            MemoryCall::Break | MemoryCall::Advise => {}
        }
        Ok(())
    }

    /// Makes a change of the address space known: to our table, to write-tracking, to the event.
    fn change(&mut self, task: &Task, effect: Effect) -> Result<(), RecordError> {
        let space = self.space(task.space)?;
        match &effect {
            Effect::Map { mapping } => {
                space.table.map(mapping.clone());
                space.forget_contents(mapping.range);
            }
            Effect::Unmap { range } => {
                space.table.unmap(*range);
                space.forget_contents(*range);
            }
            Effect::Protect { range, prot } => space.table.protect(*range, *prot),
            Effect::Move { from, to, keep } => {
                space.table.move_range(*from, *to, *keep);
                space.forget_contents(*from);
                space.forget_contents(*to);
            }
            Effect::Discard { range } => space.forget_contents(*range),
            _ => {}
        }
        self.effect(&effect);
        Ok(())
    }

    fn discard(&mut self, task: &Task, range: AddrRange) -> Result<(), RecordError> {
        let parts: Vec<AddrRange> =
            self.space(task.space)?.table.parts(range).iter().map(|m| m.range).collect();
        for range in parts {
            self.change(task, Effect::Discard { range })?;
        }
        Ok(())
    }

    fn heap_moved(&mut self, task: &Task, end: u64) -> Result<(), RecordError> {
        let space = self.space(task.space)?;
        let old = space.brk.replace(end).unwrap_or(end);
        let (old, new) = (old.next_multiple_of(PAGE_SIZE), end.next_multiple_of(PAGE_SIZE));
        if let Some(range) = AddrRange::new(Addr::new(old), Addr::new(new)).filter(|r| !r.is_empty())
        {
            let prot = Protection::READ.union(Protection::WRITE);
            let mapping =
                Mapping { range, prot, backing: Backing::Anonymous, grows_down: false };
            self.change(task, Effect::Map { mapping })?;
        } else if let Some(range) =
            AddrRange::new(Addr::new(new), Addr::new(old)).filter(|r| !r.is_empty())
        {
            self.change(task, Effect::Unmap { range })?;
        }
        Ok(())
    }

    fn mapped(&mut self, task: &Task, at: u64, args: &[u64; 6]) -> Result<(), RecordError> {
        let [_, len, prot, flags, fd, offset] = *args;
        let Some(range) = pages(at, len) else { return Ok(()) };
        let prot = Protection::from_bits(prot);
        let shared = flags & MAP_SHARED != 0;
        let plain = |backing| Mapping { range, prot, backing, grows_down: false };
        if flags & MAP_ANONYMOUS != 0 && !shared {
            return self.change(task, Effect::Map { mapping: plain(Backing::Anonymous) });
        }
        if flags & MAP_ANONYMOUS != 0 {
            return self.map_shared_anonymous(task, range, prot);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the kernel takes 32 bits too")]
        let link = PathBuf::from(format!("/proc/{}/fd/{}", task.tid, fd as i32));
        let path = std::fs::read_link(&link).unwrap_or_default();
        let offset = FileOffset::new(offset);
        let Ok(file) = File::open(&link) else {
            return self.map_by_contents(task, plain(Backing::Anonymous));
        };
        let meta = file.metadata().ok();
        if shared && self.is_written_through(task, &link, prot)
            && let Some(meta) = meta.filter(|m| m.is_file())
        {
            let mut effects = Vec::new();
            let identity = (meta.dev(), meta.ino());
            if meta.nlink() > 0 {
                self.files.warn_shared(&mut self.writer, &path);
            }
            let id = self.files.shared_object(
                &mut self.writer,
                identity,
                meta.len(),
                File::options().read(true).write(true).open(&link).ok().or(Some(file)),
                &mut effects,
            );
            for effect in &effects {
                self.effect(effect);
            }
            let backing = Backing::Shared { shared: id, offset };
            return self.change(task, Effect::Map { mapping: plain(backing) });
        }
        match keep(&mut self.writer, &path, &file)? {
            Mapped::Kept(file) => {
                let backing = Backing::File { file, offset };
                self.change(task, Effect::Map { mapping: plain(backing) })
            }
            Mapped::Zero => self.change(task, Effect::Map { mapping: plain(Backing::Anonymous) }),
            Mapped::Other => self.map_by_contents(task, plain(Backing::Anonymous)),
        }
    }

    /// Whether a shared mapping can change: one through a read-only descriptor is as good as
    /// private.
    fn is_written_through(&self, _task: &Task, link: &std::path::Path, prot: Protection) -> bool {
        prot.allows(Protection::WRITE)
            || std::fs::symlink_metadata(link).is_ok_and(|meta| meta.mode() & 0o200 != 0)
    }

    /// A mapping of something we cannot keep: its bytes as they are now.
    fn map_by_contents(&mut self, task: &Task, mapping: Mapping) -> Result<(), RecordError> {
        let range = mapping.range;
        self.change(task, Effect::Map { mapping })?;
        let len = usize::try_from(range.len()).unwrap_or(0);
        let memory = &task.memory;
        self.effects.write_with(range.start(), len, |out| {
            memory.read(range.start(), out).unwrap_or(0)
        });
        Ok(())
    }

    /// The shared object behind the mapping at `addr`, by what the kernel says of it.
    fn shared_at(&mut self, task: &Task, addr: Addr, len: Option<u64>) -> Result<Option<(Backing, u64)>, RecordError> {
        let maps = retake_tracee::read_maps(task.tid)
            .map_err(|error| RecordError::System { attempt: "read /proc/PID/maps", error })?;
        let Some(entry) = maps.into_iter().find(|m| m.range.contains(addr)) else {
            return Ok(None);
        };
        let file = File::options()
            .read(true)
            .write(true)
            .open(format!("/proc/{}/map_files/{:x}-{:x}", task.tid, entry.range.start(), entry.range.end()))
            .ok();
        let len = len.unwrap_or(entry.range.len());
        let mut effects = Vec::new();
        let identity = (entry.dev, entry.ino);
        let id = self.files.shared_object(&mut self.writer, identity, len, file, &mut effects);
        for effect in &effects {
            self.effect(effect);
        }
        let skip = addr.offset_from(entry.range.start()).unwrap_or(0);
        let offset = FileOffset::new(entry.offset.get() + skip);
        Ok(Some((Backing::Shared { shared: id, offset }, entry.range.len())))
    }

    fn map_shared_anonymous(
        &mut self,
        task: &Task,
        range: AddrRange,
        prot: Protection,
    ) -> Result<(), RecordError> {
        if let Some((backing, _)) = self.shared_at(task, range.start(), Some(range.len()))? {
            let mapping = Mapping { range, prot, backing, grows_down: false };
            self.change(task, Effect::Map { mapping })?;
        }
        Ok(())
    }

    fn segment_attached(&mut self, task: &Task, addr: Addr) -> Result<(), RecordError> {
        if let Some((backing, len)) = self.shared_at(task, addr, None)?
            && let Some(range) = AddrRange::with_len(addr, len)
        {
            let prot = Protection::READ.union(Protection::WRITE);
            self.space(task.space)?.attached.insert(addr, len);
            let mapping = Mapping { range, prot, backing, grows_down: false };
            self.change(task, Effect::Map { mapping })?;
        }
        Ok(())
    }
}

impl crate::task::Space {
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
