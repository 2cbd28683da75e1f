//! The debug sections, decompressed when they are first needed (gABI "Section Compression").

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use gimli::{Dwarf, EndianArcSlice, EndianSlice, LittleEndian, SectionId};
use object::{CompressionFormat, Object, ObjectSection};

use crate::bytes::SharedBytes;
use crate::elf::Elf;
use crate::parallel;

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
    file: Option<SharedBytes>,
    data: BTreeMap<&'static str, Section>,
}

/// A section where it is.
#[derive(Debug)]
enum Section {
    InFile(Range<usize>),
    Unpacked(Arc<[u8]>),
}

/// A section of a file. `None` if there is none, or it is damaged.
fn section(elf: &Elf, name: &str) -> Option<Section> {
    let file = elf.file()?;
    // `.zdebug_*` (the older GNU form) is found under this name too.
    let section = file.section_by_name(name)?;
    let packed = section.compressed_file_range().ok()?;
    if packed.format == CompressionFormat::None {
        let start = usize::try_from(packed.offset).ok()?;
        let end = start.checked_add(usize::try_from(packed.compressed_size).ok()?)?;
        elf.bytes().as_slice().get(start..end)?;
        return Some(Section::InFile(start..end));
    }
    let data = section.compressed_data().ok()?;
    let most = u64::try_from(data.data.len()).ok()?.saturating_mul(MAX_GROWTH);
    (data.uncompressed_size <= most).then_some(())?;
    Some(Section::Unpacked(Arc::from(&*data.decompress().ok()?)))
}

/// The bytes of a section, unpacked. `None` if there is none, or it is damaged.
pub(crate) fn section_bytes(elf: &Elf, name: &str) -> Option<Arc<[u8]>> {
    match section(elf, name)? {
        Section::InFile(range) => elf.bytes().as_slice().get(range).map(Arc::from),
        Section::Unpacked(bytes) => Some(bytes),
    }
}

impl DebugSections {
    pub(crate) fn load(elf: &Elf) -> Self {
        let found = parallel::map(&WANTED, |id| Some((id.name(), section(elf, id.name())?)));
        Self { file: Some(elf.bytes().clone()), data: found.into_iter().flatten().collect() }
    }

    fn get(&self, name: &str) -> &[u8] {
        match self.data.get(name) {
            None => &[],
            Some(Section::Unpacked(bytes)) => bytes,
            Some(Section::InFile(range)) => {
                let file = self.file.as_ref().map_or(&[][..], SharedBytes::as_slice);
                file.get(range.clone()).unwrap_or_default()
            }
        }
    }

    /// Bytes of entries and of their names.
    pub(crate) fn size(&self) -> usize {
        [SectionId::DebugInfo, SectionId::DebugStr].map(|id| self.get(id.name()).len()).iter().sum()
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
            let bytes = match self.data.get(id.name()) {
                Some(Section::Unpacked(bytes)) => Arc::clone(bytes),
                Some(Section::InFile(_)) | None => Arc::from(self.get(id.name())),
            };
            Ok::<_, std::convert::Infallible>(EndianArcSlice::new(bytes, LittleEndian))
        };
        match Dwarf::load(load) {
            Ok(dwarf) => dwarf,
            Err(never) => match never {},
        }
    }
}
