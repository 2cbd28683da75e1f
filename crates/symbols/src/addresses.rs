//! From addresses in memory to addresses in the file and back.

use std::sync::Arc;

use retake_model::{Addr, FileAddr, FileOffset};

use crate::module::Module;

impl Module {
    /// The address that the byte at `offset` of the file is linked at. A byte that two segments
    /// share is taken as part of the executable one.
    pub fn file_addr_of_offset(&self, offset: FileOffset) -> Option<FileAddr> {
        self.elf().file_addr_of_offset(offset)
    }

    /// Where in the file the byte at `addr` is. `None` for `.bss` and for gaps.
    pub fn offset_of_file_addr(&self, addr: FileAddr) -> Option<FileOffset> {
        self.elf().offset_of_file_addr(addr)
    }

    /// What is added (wrapping) to file addresses if `mapping_offset` of this file is mapped at
    /// `mapping_start`. Pages around a segment's contents are part of its mapping, so the offset
    /// may lie up to a page before the segment.
    pub fn load_bias(&self, mapping_start: Addr, mapping_offset: FileOffset) -> Option<u64> {
        const PAGE: u64 = retake_model::PAGE_SIZE;
        let elf = self.elf();
        let offset = mapping_offset.get();
        let covers = |s: &&crate::elf::Segment| {
            let first = s.offset & !(PAGE - 1);
            let end =
                s.offset.checked_add(s.file_size).and_then(|e| e.checked_next_multiple_of(PAGE));
            s.file_size > 0 && first <= offset && end.is_some_and(|end| offset < end)
        };
        let code = elf.segments.iter().filter(|s| s.is_executable);
        let other = elf.segments.iter().filter(|s| !s.is_executable);
        let segment = code.chain(other).find(covers)?;
        let linked_at = segment.addr.wrapping_add(offset.wrapping_sub(segment.offset));
        Some(mapping_start.get().wrapping_sub(linked_at))
    }
}

/// A module where it is loaded in one address space.
#[derive(Clone, Debug)]
pub struct LoadedModule {
    module: Arc<Module>,
    bias: u64,
}

impl LoadedModule {
    /// The module as it is loaded if `mapping_offset` of it is mapped at `mapping_start`; `None`
    /// if no segment holds that offset.
    pub fn new(
        module: Arc<Module>,
        mapping_start: Addr,
        mapping_offset: FileOffset,
    ) -> Option<Self> {
        let bias = module.load_bias(mapping_start, mapping_offset)?;
        Some(Self { module, bias })
    }

    /// The module with a known bias.
    pub fn with_bias(module: Arc<Module>, bias: u64) -> Self {
        Self { module, bias }
    }

    /// The module.
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// What is added to a file address, wrapping, to get an address in memory.
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// Where a file address is in memory.
    pub fn to_addr(&self, addr: FileAddr) -> Addr {
        Addr::new(addr.get().wrapping_add(self.bias))
    }

    /// The file address of an address in memory; meaningful only if it lies in this module.
    pub fn to_file_addr(&self, addr: Addr) -> FileAddr {
        FileAddr::new(addr.get().wrapping_sub(self.bias))
    }
}
