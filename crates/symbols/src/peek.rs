//! What a large file is, without reading all of it.

use std::io::{Read, Seek};

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ReadCache};

/// What the headers of an ELF file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Identifies the build.
    pub build_id: Vec<u8>,
    /// Whether it has DWARF.
    pub has_debug_info: bool,
    /// Whether more of it may lie in other files.
    pub may_be_split: bool,
}

/// Reads the headers of a file; none if it is no ELF file with a build id.
pub fn peek(file: impl Read + Seek) -> Option<Peeked> {
    let cache = ReadCache::new(file);
    let file: ElfFile64<'_, LittleEndian, _> = ElfFile64::parse(&cache).ok()?;
    let has = |name: &str| file.section_by_name(name).is_some_and(|section| section.size() > 0);
    Some(Peeked {
        build_id: file.build_id().ok()??.to_vec(),
        has_debug_info: has(".debug_info"),
        may_be_split: has(".debug_addr") || has(".gnu_debugaltlink") || has(".debug_sup"),
    })
}
