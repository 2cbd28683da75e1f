//! The debug sections, decompressed when they are first needed (gABI "Section Compression").

use std::collections::BTreeMap;
use std::sync::Arc;

use gimli::{Dwarf, EndianArcSlice, EndianSlice, LittleEndian, SectionId};
use object::{CompressionFormat, Object, ObjectSection};

use crate::elf::Elf;

/// gimli's view of a section, borrowed.
pub(crate) type Slice<'a> = EndianSlice<'a, LittleEndian>;
/// gimli's view of a section that keeps it alive.
pub type DwarfBytes = EndianArcSlice<LittleEndian>;
pub(crate) type Owned = DwarfBytes;

/// A compressed section that claims to grow more than this is hostile (deflate reaches 1032).
const MAX_GROWTH: u64 = 1100;

const WANTED: [SectionId; 13] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
    SectionId::DebugAranges,
];

/// The debug sections of one file.
#[derive(Debug, Default)]
pub(crate) struct DebugSections {
    data: BTreeMap<&'static str, Arc<[u8]>>,
}

/// The bytes of a section, unpacked. `None` if there is none, or it is damaged.
pub(crate) fn section_bytes(elf: &Elf, name: &str) -> Option<Arc<[u8]>> {
    let file = elf.file()?;
    // `.zdebug_*` (the older GNU form) is found under this name too.
    let section = file.section_by_name(name)?;
    let packed = section.compressed_data().ok()?;
    if packed.format != CompressionFormat::None {
        let most = u64::try_from(packed.data.len()).ok()?.saturating_mul(MAX_GROWTH);
        (packed.uncompressed_size <= most).then_some(())?;
    }
    Some(Arc::from(&*packed.decompress().ok()?))
}

impl DebugSections {
    pub(crate) fn load(elf: &Elf) -> Self {
        let load = |id: SectionId| Some((id.name(), section_bytes(elf, id.name())?));
        Self { data: WANTED.into_iter().filter_map(load).collect() }
    }

    fn get(&self, name: &str) -> &[u8] {
        self.data.get(name).map_or(&[], |bytes| bytes)
    }

    /// Whether there is any DWARF here.
    pub(crate) fn has_info(&self) -> bool {
        !self.get(SectionId::DebugInfo.name()).is_empty()
    }

    /// gimli's entry point. It holds slices only, so it is made anew for every question.
    pub(crate) fn dwarf(&self) -> Dwarf<Slice<'_>> {
        let load = |id: SectionId| {
            Ok::<_, std::convert::Infallible>(EndianSlice::new(self.get(id.name()), LittleEndian))
        };
        match Dwarf::load(load) {
            Ok(dwarf) => dwarf,
            Err(never) => match never {},
        }
    }

    /// The same, for whoever has to keep it.
    pub(crate) fn owned_dwarf(&self) -> Dwarf<Owned> {
        let load = |id: SectionId| {
            let bytes = self.data.get(id.name()).cloned().unwrap_or_else(|| Arc::from([]));
            Ok::<_, std::convert::Infallible>(EndianArcSlice::new(bytes, LittleEndian))
        };
        match Dwarf::load(load) {
            Ok(dwarf) => dwarf,
            Err(never) => match never {},
        }
    }
}
