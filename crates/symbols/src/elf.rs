//! The ELF container: segments, sections, notes. Facts from the System V gABI, chapters 4 and 5.

use object::elf::{DF_1_PIE, DT_FLAGS_1, EM_X86_64, ET_DYN, ET_EXEC, PF_X, PT_LOAD, PT_TLS};
use object::read::elf::{Dyn, ElfFile64, ElfSection64, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection};
use retake_model::{FileAddr, FileOffset};

use crate::bytes::SharedBytes;
use crate::error::ModuleError;

pub(crate) type ElfFile<'a> = ElfFile64<'a, LittleEndian>;
pub(crate) type ElfSection<'a, 'f> = ElfSection64<'a, 'f, LittleEndian>;

/// A `PT_LOAD` program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) addr: u64,
    pub(crate) mem_size: u64,
    pub(crate) offset: u64,
    pub(crate) file_size: u64,
    pub(crate) is_executable: bool,
}

/// What `.gnu_debuglink` says: where a separate debug file may be found (gdb manual, "Separate
/// Debug Files").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugLink {
    /// The file's name, without a folder.
    pub name: Vec<u8>,
    /// CRC-32 of the whole file.
    pub crc: u32,
}

/// The block that each thread has of a module's thread-local variables (`PT_TLS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadLocals {
    /// Where what it begins with is in the file's addresses.
    pub addr: u64,
    /// Bytes in the block.
    pub size: u64,
    /// Its alignment, a power of two.
    pub align: u64,
}

/// One ELF file.
#[derive(Debug)]
pub(crate) struct Elf {
    bytes: SharedBytes,
    pub(crate) segments: Vec<Segment>,
    pub(crate) entry: u64,
    pub(crate) is_position_independent: bool,
    pub(crate) build_id: Option<Vec<u8>>,
    pub(crate) debug_link: Option<DebugLink>,
    pub(crate) thread_locals: Option<ThreadLocals>,
    /// Whether it is a library, and no program that can be loaded anywhere.
    pub(crate) is_library: bool,
}

impl Elf {
    pub(crate) fn parse(bytes: SharedBytes) -> Result<Self, ModuleError> {
        let file = ElfFile::parse(bytes.as_slice()).map_err(ModuleError::Elf)?;
        let header = file.elf_header();
        let machine = header.e_machine(LittleEndian);
        if machine != EM_X86_64 {
            return Err(ModuleError::NotLoadable { what: "e_machine", found: machine.into() });
        }
        let kind = header.e_type(LittleEndian);
        if kind != ET_DYN && kind != ET_EXEC {
            return Err(ModuleError::NotLoadable { what: "e_type", found: kind.into() });
        }
        let segments = file
            .elf_program_headers()
            .iter()
            .filter(|ph| ph.p_type(LittleEndian) == PT_LOAD)
            .map(|ph| Segment {
                addr: ph.p_vaddr(LittleEndian),
                mem_size: ph.p_memsz(LittleEndian),
                offset: ph.p_offset(LittleEndian),
                file_size: ph.p_filesz(LittleEndian),
                is_executable: ph.p_flags(LittleEndian) & PF_X != 0,
            })
            .collect();
        let thread_locals =
            file.elf_program_headers().iter().find(|ph| ph.p_type(LittleEndian) == PT_TLS).map(
                |ph| ThreadLocals {
                    addr: ph.p_vaddr(LittleEndian),
                    size: ph.p_memsz(LittleEndian),
                    align: ph.p_align(LittleEndian).max(1),
                },
            );
        let is_program = kind == ET_EXEC || is_pie(&file, bytes.as_slice());
        let build_id = file.build_id().ok().flatten().map(<[u8]>::to_vec);
        let debug_link = file
            .gnu_debuglink()
            .ok()
            .flatten()
            .map(|(name, crc)| DebugLink { name: name.to_vec(), crc });
        let entry = file.entry();
        drop(file);
        let is_position_independent = kind == ET_DYN;
        Ok(Self {
            bytes,
            segments,
            entry,
            is_position_independent,
            build_id,
            debug_link,
            thread_locals,
            is_library: !is_program,
        })
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &SharedBytes {
        &self.bytes
    }

    /// The parsed headers. They parsed once, so they parse again; no borrow is kept in between.
    pub(crate) fn file(&self) -> Option<ElfFile<'_>> {
        ElfFile::parse(self.bytes.as_slice()).ok()
    }

    /// Whether there is a section, without looking into it.
    pub(crate) fn has_section(&self, name: &str) -> bool {
        let found = self.file().and_then(|file| Some(file.section_by_name(name)?.size()));
        found.is_some_and(|size| size > 0)
    }

    /// Whether code can be at this address. Ranges that the linker discarded start at 0, 1 or
    /// near the end of the address space, and are refused by this.
    pub(crate) fn is_code(&self, addr: u64) -> bool {
        addr != 0
            && self.segments.iter().any(|s| {
                s.is_executable && addr.checked_sub(s.addr).is_some_and(|skip| skip < s.mem_size)
            })
    }

    pub(crate) fn file_addr_of_offset(&self, offset: FileOffset) -> Option<FileAddr> {
        let at = |s: &&Segment| {
            let skip = offset.get().checked_sub(s.offset)?;
            (skip < s.file_size).then_some(())?;
            s.addr.checked_add(skip).map(FileAddr::new)
        };
        // The same page of a file can be in two segments; code is what callers ask for.
        let code = self.segments.iter().filter(|s| s.is_executable);
        let other = self.segments.iter().filter(|s| !s.is_executable);
        code.chain(other).find_map(|s| at(&s))
    }

    pub(crate) fn offset_of_file_addr(&self, addr: FileAddr) -> Option<FileOffset> {
        self.segments.iter().find_map(|s| {
            let skip = addr.get().checked_sub(s.addr)?;
            (skip < s.file_size).then_some(())?;
            s.offset.checked_add(skip).map(FileOffset::new)
        })
    }

    /// The bytes from `addr` on, at most `len` of them and not past the segment's file contents.
    pub(crate) fn bytes_at(&self, addr: FileAddr, len: usize) -> Option<&[u8]> {
        let (skip, segment) = self.segments.iter().find_map(|s| {
            let skip = addr.get().checked_sub(s.addr)?;
            (skip < s.file_size).then_some((skip, s))
        })?;
        let start = usize::try_from(segment.offset.checked_add(skip)?).ok()?;
        let left = usize::try_from(segment.file_size - skip).ok()?;
        let end = start.checked_add(len.min(left))?.min(self.bytes.as_slice().len());
        self.bytes.as_slice().get(start..end)
    }
}

/// Whether the dynamic section says that a file that can be loaded anywhere is a program.
fn is_pie(file: &ElfFile<'_>, bytes: &[u8]) -> bool {
    let entries = file
        .elf_program_headers()
        .iter()
        .find_map(|ph| ph.dynamic(LittleEndian, bytes).ok().flatten())
        .unwrap_or_default();
    entries.iter().any(|entry| {
        entry.d_tag(LittleEndian) == u64::from(DT_FLAGS_1)
            && entry.d_val(LittleEndian) & u64::from(DF_1_PIE) != 0
    })
}
