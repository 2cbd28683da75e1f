//! The image right after `execve`: what is in the new address space.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use retake_abi::nr;
use retake_model::{
    Addr, Backing, Mapping, PAGE_LEN, PageAddr, Protection, Registers, SyscallNo, Tid,
};
use retake_ptrace::{CallStops, PageMap, ProcessMemory, Stopped};
use retake_recording::{Effect, Image, PageBatch};
use retake_tracee::{
    BatchedCall, InjectPage, MappingTable, MapsEntry, call_in_place, inject, inject_batch,
    read_maps,
};

use crate::book::{Book, Draft};
use crate::error::RecordError;
use crate::fast::InFreshImage;
use crate::fast::state::FastCalls;
use crate::files::Mapped;
use crate::memory::growth::growing_stack;
use crate::memory::page_patches::PagePatches;
use crate::replaced::random::Sites;
use crate::session::Session;
use crate::tasks::{Space, Task};
use crate::world::World;

const AT_NULL: u64 = 0;
const AT_IGNORE: u64 = 1;
const AT_SYSINFO_EHDR: u64 = 33;

pub(crate) fn program_path(tid: Tid) -> Vec<u8> {
    let path = std::fs::read_link(format!("/proc/{tid}/exe")).unwrap_or_default();
    path.as_os_str().as_bytes().to_vec()
}

pub(crate) fn task_name(tid: Tid) -> Vec<u8> {
    let mut name = std::fs::read(format!("/proc/{tid}/comm")).unwrap_or_default();
    while name.last() == Some(&b'\n') {
        name.pop();
    }
    name
}

fn maps(tid: Tid) -> Result<Vec<MapsEntry>, RecordError> {
    read_maps(tid).map_err(|error| RecordError::System { attempt: "read /proc/PID/maps", error })
}

const VDSO: &str = "[vdso]";

/// Whether it is memory that the kernel writes the time to.
fn is_clock(path: &str) -> bool {
    path == "[vvar]" || path == "[vvar_vclock]"
}

/// Changes the auxiliary vector's pointer to the vdso to an entry that is passed over
/// (getauxval(3)). It stands on the stack above the environment.
fn hide_vdso_pointer(memory: &mut ProcessMemory, sp: Addr) -> Result<(), RecordError> {
    let mut at = sp.get() + 8;
    for _ in 0..2 {
        // arguments, then environment: each list ends with a null pointer
        while memory.read_u64(Addr::new(at))? != 0 {
            at += 8;
        }
        at += 8;
    }
    loop {
        let kind = memory.read_u64(Addr::new(at))?;
        if kind == AT_NULL {
            return Ok(());
        }
        if kind == AT_SYSINFO_EHDR {
            memory.write(Addr::new(at), &AT_IGNORE.to_le_bytes())?;
            return Ok(());
        }
        at += 16;
    }
}

/// What a file is mapped for in a fresh image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The program starts in it, and it is not the program.
    Loader,
    Other,
}

impl World {
    /// Maps a scratch slot in the space of a task that stands at a call's entry. The call is set
    /// aside for the time being.
    pub(crate) fn map_scratch(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        entry: &Registers,
        scratch: Addr,
    ) -> Result<bool, RecordError> {
        const READ_WRITE: u64 = 3;
        const PRIVATE_ANONYMOUS_FIXED: u64 = 0x10_4022;
        let room = retake_tracee::SCRATCH_ROOM;
        let args = [scratch.get(), room, READ_WRITE, PRIVATE_ANONYMOUS_FIXED, u64::MAX, 0];
        let done = inject(stopped, entry, nr::MMAP, args)?;
        task.held.extend(done.signals);
        self.enter_again(task, stopped, entry)?;
        // A forked child inherits its parent's slots: they exist already.
        let exists = retake_abi::Errno::from_result(done.result) == Some(retake_abi::Errno::EEXIST);
        Ok(done.result.cast_unsigned() == scratch.get() || exists)
    }

    /// What is in a fresh image, with the calls of its loader led to the code. Sets the task's registers back.
    fn mappings_and_pages(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        (task, stopped, registers): (&mut Task, &mut Stopped, &Registers),
        (program, fast): (&[u8], &mut FastCalls),
    ) -> Result<(Vec<Mapping>, PageBatch, Sites), RecordError> {
        let mut mappings = Vec::new();
        let mut sites = Sites::default();
        let mut patches = PagePatches::of(ProcessMemory::new(task.tid));
        for entry in maps(task.tid)? {
            if entry.range.start() == InjectPage::ADDR || entry.path == "[vsyscall]" {
                continue;
            }
            let backing = match entry.ino {
                0 if entry.path == VDSO => Backing::Copied,
                0 => Backing::Anonymous,
                _ => {
                    let starts = entry.range.contains(registers.pc());
                    let is_loader = starts && entry.path.as_bytes() != program;
                    let part = if is_loader { Part::Loader } else { Part::Other };
                    let into = (&mut sites, &mut patches);
                    self.kept_backing(book, draft, task, (&entry, part), into)?
                        .unwrap_or(Backing::Copied)
                }
            };
            mappings.push(Mapping {
                range: entry.range,
                prot: entry.prot,
                backing,
                grows_down: false,
            });
        }
        let into = (&mut mappings, &mut patches);
        self.remembered.lead_all(task, stopped, registers, fast, into)?;
        patches.write()?;
        stopped.set_registers(registers)?;
        let map = PageMap::open(task.tid)?;
        let mut batch = book.writer.pool().batch();
        for mapping in &mappings {
            let mut pages = Vec::new();
            match mapping.backing {
                Backing::Copied => pages.extend(mapping.range.pages()),
                _ => map.private_pages(mapping.range, &mut pages)?,
            }
            copy_pages(&task.memory, &pages, &mut batch);
        }
        Ok((mappings, batch, sites))
    }

    fn kept_backing(
        &mut self,
        book: &mut Book,
        draft: &mut Draft,
        task: &Task,
        (entry, part): (&MapsEntry, Part),
        (sites, patches): (&mut Sites, &mut PagePatches),
    ) -> Result<Option<Backing>, RecordError> {
        let Some(file) = open_mapped(task.tid, entry) else {
            return Ok(None);
        };
        if let Ok(meta) = file.metadata() {
            self.file_gets_mapped(draft, task, (meta.dev(), meta.ino()))?;
        }
        if let Some(known) = self.replaced.as_mut().filter(|_| entry.prot.allows(Protection::EXEC))
        {
            let place = (entry.range, entry.offset);
            let with = (&task.memory, &book.writer);
            sites.extend(known.random.replace(&file, place, with, |at, code| {
                patches.put(at, code);
            }));
            if part == Part::Loader {
                known.clocks.take_out(&file, place, (task.tid, &book.writer), patches);
            }
        }
        Ok(match self.files.keep(&mut book.writer, Path::new(&entry.path), &file, None)? {
            Mapped::Kept(file) => Some(Backing::File { file, offset: entry.offset }),
            Mapped::Zero | Mapped::Other => None,
        })
    }
}

impl Session {
    /// Makes a fresh image ours (our page in, clocks out, the stack at its full size) and adds it to
    /// the event. Gives the registers the program starts with.
    pub(crate) fn take_image(
        &mut self,
        draft: &mut Draft,
        task: &mut Task,
        stopped: &mut Stopped,
        path: Vec<u8>,
    ) -> Result<Registers, RecordError> {
        let registers = stopped.registers()?;
        let (brk, mut fast) = self.furnish(task, stopped, &registers, &path)?;
        let (mappings, batch, random) = self.world.mappings_and_pages(
            &mut self.book,
            draft,
            (task, stopped, &registers),
            (&path, &mut fast),
        )?;
        let pages = self.book.writer.store_image_pages(batch);
        let table = MappingTable::new(mappings.iter().cloned());
        self.world
            .spaces
            .insert(task.space, Space { fast, random, ..Space::new(table, Some(brk)) });
        let image = Image { space: task.space, mappings, pages, path };
        draft.add(&Effect::Exec { image: Box::new(image) });
        draft.add(&Effect::Vector { state: stopped.vector()? });
        let name = task.name.clone();
        draft.add(&Effect::Name { name });
        Ok(registers)
    }

    fn furnish(
        &mut self,
        task: &mut Task,
        stopped: &mut Stopped,
        registers: &Registers,
        program: &[u8],
    ) -> Result<(u64, FastCalls), RecordError> {
        const READ_EXEC: u64 = 5;
        const PRIVATE_ANONYMOUS_FIXED: u64 = 0x10_0022;
        let (page, with) = (InjectPage::ADDR, InjectPage::MAPPED_WITH);
        let args = [page.get(), InjectPage::LEN, READ_EXEC, PRIVATE_ANONYMOUS_FIXED, with, 0];
        let made = call_in_place(stopped, &mut task.memory, registers, nr::MMAP, args)?;
        if made.result.cast_unsigned() != page.get() {
            return Err(RecordError::Unsupported(format!(
                "the program occupies address {page}, which retake needs"
            )));
        }
        task.held.extend(made.signals);
        task.memory.write_forced(page, &InjectPage::contents())?;
        if self.hardware.traps_cpuid {
            // Executing a program ended it. Until it is on again, each switch to the program is dear (`SameTraps`).
            let args = [retake_ptrace::ARCH_SET_CPUID, 0, 0, 0, 0, 0];
            task.held.extend(inject(stopped, registers, nr::ARCH_PRCTL, args)?.signals);
        }
        let entries = maps(task.tid)?;
        let vdso = entries.iter().find(|entry| entry.path == VDSO);
        let vdso = vdso.filter(|vdso| crate::memory::vdso::lead_to_calls(&mut task.memory, vdso));
        let (shown, taken_away): (Vec<_>, Vec<_>) = entries
            .iter()
            .filter(|e| is_clock(&e.path) || e.path == VDSO)
            .partition(|entry| vdso.is_some_and(|vdso| vdso.range == entry.range));
        let taking_away = |entry: &&MapsEntry| BatchedCall {
            no: nr::MUNMAP,
            args: [entry.range.start().get(), entry.range.len(), 0, 0, 0, 0],
            expected: Some(0),
        };
        let mut calls: Vec<BatchedCall> = taken_away.iter().map(taking_away).collect();
        if shown.is_empty() {
            hide_vdso_pointer(&mut task.memory, registers.sp())?;
        }
        if let Some(stack) = entries.iter().find(|entry| entry.path == "[stack]") {
            calls.push(growing_stack(task.tid, stack.range.end()));
        }
        // The kernel has nothing there any more.
        let below = vdso.and_then(|vdso| crate::memory::vdso::page_below(vdso, &taken_away));
        let fast = InFreshImage::of(task, below);
        let first_of_fast = calls.len();
        calls.extend(fast.iter().flat_map(InFreshImage::mappings));
        let (made, brk) = self.world.make_all(task, stopped, registers, &calls)?;
        self.hardware.answer_in_loader(task, stopped, registers, (program, &entries))?;
        let of_fast = made.get(first_of_fast..).unwrap_or_default();
        let fast = fast.map(|fast| fast.fill(task, of_fast)).transpose()?;
        Ok((brk, fast.unwrap_or_else(FastCalls::absent)))
    }
}

impl World {
    /// Has a task with a fresh image make these calls, and then ask for the end of its heap. Says of each whether it
    /// gave what was expected, and where the heap ends.
    fn make_all(
        &self,
        task: &mut Task,
        stopped: &mut Stopped,
        registers: &Registers,
        calls: &[BatchedCall],
    ) -> Result<(Vec<bool>, u64), RecordError> {
        const LAST: (SyscallNo, [u64; 6]) = (nr::BRK, [0; 6]);
        // A filter from outside would have its say in each of them.
        if self.call_stops == CallStops::AtEntry
            && let Some(batch) = inject_batch(stopped, &mut task.memory, registers, calls, LAST)?
        {
            task.held.extend(batch.last.signals);
            return Ok((batch.as_expected, batch.last.result.cast_unsigned()));
        }
        let mut made = Vec::new();
        for BatchedCall { no, args, expected } in calls {
            let done = inject(stopped, registers, *no, *args)?;
            task.held.extend(done.signals);
            made.push(expected.is_none_or(|expected| expected == done.result.cast_unsigned()));
        }
        let done = inject(stopped, registers, LAST.0, LAST.1)?;
        task.held.extend(done.signals);
        Ok((made, done.result.cast_unsigned()))
    }
}

/// The file that is mapped there. Its path may lead to another one by now, or to none: programs are
/// rebuilt and deleted while they start. `/proc/PID/exe` still leads to the program itself;
/// `/proc/PID/map_files` (proc(5)) to every mapped file, but needs privilege.
fn open_mapped(tid: Tid, entry: &MapsEntry) -> Option<File> {
    let (start, end) = (entry.range.start().get(), entry.range.end().get());
    // Devices are not compared: some filesystems give another one here than stat(2) does.
    let is_it = |file: &File| file.metadata().is_ok_and(|meta| meta.ino() == entry.ino);
    [PathBuf::from(&entry.path), PathBuf::from(format!("/proc/{tid}/exe"))]
        .iter()
        .filter_map(|place| File::open(place).ok())
        .find(is_it)
        .or_else(|| File::open(format!("/proc/{tid}/map_files/{start:x}-{end:x}")).ok())
}

/// Copies pages out of a process. Pages that cannot be read (beyond the end of their file) are left
/// out.
pub(crate) fn copy_pages(memory: &ProcessMemory, pages: &[PageAddr], batch: &mut PageBatch) {
    let mut rest = pages;
    while !rest.is_empty() {
        let out = batch.room(rest.len());
        let wanted = out.len() / PAGE_LEN;
        let mut done = memory.read_pages(rest.get(..wanted).unwrap_or(rest), out);
        batch.commit(rest.get(..done).unwrap_or_default());
        if done < wanted
            && let Some(page) = rest.get(done)
        {
            if memory.read_exact(page.addr(), batch.room(1)).is_ok() {
                batch.commit(&[*page]);
            }
            done += 1;
        }
        rest = rest.get(done..).unwrap_or_default();
    }
}
