//! The debug sections, decompressed when they are first needed (gABI "Section Compression").

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use gimli::{Dwarf, DwarfPackage, EndianArcSlice, EndianSlice, LittleEndian, SectionId};
use object::{CompressionFormat, Object, ObjectSection};

use crate::bytes::SharedBytes;
use crate::elf::{Elf, ElfFile, ElfSection};
use crate::parallel;
use crate::split::Held;

/// gimli's view of a section, borrowed.
pub(crate) type Slice<'a> = EndianSlice<'a, LittleEndian>;
/// gimli's view of a section that keeps it alive.
pub type DwarfBytes = EndianArcSlice<LittleEndian>;

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

/// Those of a file that was split off, or of a package of such files.
const SPLIT: [SectionId; 11] = [
    SectionId::DebugAbbrev,
    SectionId::DebugCuIndex,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTuIndex,
    SectionId::DebugTypes,
];

/// The debug sections of one file.
#[derive(Debug, Default)]
pub struct DebugSections {
    file: Option<SharedBytes>,
    data: BTreeMap<&'static str, Section>,
}

/// A section where it is.
#[derive(Debug)]
enum Section {
    InFile(Range<usize>),
    Unpacked(Arc<[u8]>),
}

/// A section of a file. `None` if there is none, or it is damaged. Of several with one name all are joined: a `.dwo`
/// file has one for each unit of types, as no linker has seen it.
fn section(bytes: &SharedBytes, name: &str) -> Option<Section> {
    let file = ElfFile::parse(bytes.as_slice()).ok()?;
    // `.zdebug_*` (the older GNU form) is found under this name too.
    let first = file.section_by_name(name)?;
    let others: Vec<_> = match name.ends_with(".dwo") {
        true => file.sections().filter(|other| other.name() == Ok(name)).skip(1).collect(),
        false => Vec::new(),
    };
    let first = one_section(bytes, &first)?;
    if others.is_empty() {
        return Some(first);
    }
    let mut joined = first.bytes(Some(bytes)).to_vec();
    for other in &others {
        joined.extend_from_slice(one_section(bytes, other)?.bytes(Some(bytes)));
    }
    Some(Section::Unpacked(joined.into()))
}

fn one_section(bytes: &SharedBytes, section: &ElfSection<'_, '_>) -> Option<Section> {
    let packed = section.compressed_file_range().ok()?;
    if packed.format == CompressionFormat::None {
        let start = usize::try_from(packed.offset).ok()?;
        let end = start.checked_add(usize::try_from(packed.compressed_size).ok()?)?;
        bytes.as_slice().get(start..end)?;
        return Some(Section::InFile(start..end));
    }
    let data = section.compressed_data().ok()?;
    let most = u64::try_from(data.data.len()).ok()?.saturating_mul(MAX_GROWTH);
    (data.uncompressed_size <= most).then_some(())?;
    Some(Section::Unpacked(Arc::from(&*data.decompress().ok()?)))
}

impl Section {
    fn bytes<'a>(&'a self, file: Option<&'a SharedBytes>) -> &'a [u8] {
        match self {
            Self::Unpacked(bytes) => bytes,
            Self::InFile(range) => {
                let file = file.map_or(&[][..], SharedBytes::as_slice);
                file.get(range.clone()).unwrap_or_default()
            }
        }
    }
}

/// The bytes of a section, unpacked. `None` if there is none, or it is damaged.
pub(crate) fn section_bytes(elf: &Elf, name: &str) -> Option<Arc<[u8]>> {
    match section(elf.bytes(), name)? {
        Section::InFile(range) => elf.bytes().as_slice().get(range).map(Arc::from),
        Section::Unpacked(bytes) => Some(bytes),
    }
}

impl DebugSections {
    pub(crate) fn load(elf: &Elf) -> Self {
        Self::load_bytes(elf.bytes())
    }

    /// Those of a file. Bytes that are no such file have none.
    pub(crate) fn load_bytes(bytes: &SharedBytes) -> Self {
        Self::load_named(bytes, &WANTED, |id| Some(id.name()))
    }

    /// Those of a file that was split off. Bytes that are no such file have none.
    pub(crate) fn load_split(bytes: &SharedBytes) -> Self {
        Self::load_named(bytes, &SPLIT, SectionId::dwo_name)
    }

    fn load_named(
        bytes: &SharedBytes,
        wanted: &[SectionId],
        name: impl Fn(SectionId) -> Option<&'static str> + Sync,
    ) -> Self {
        let load = |id: &SectionId| Some((id.name(), section(bytes, name(*id)?)?));
        let found = parallel::map(wanted, load);
        Self { file: Some(bytes.clone()), data: found.into_iter().flatten().collect() }
    }

    fn get(&self, name: &str) -> &[u8] {
        self.data.get(name).map_or(&[], |section| section.bytes(self.file.as_ref()))
    }

    /// Bytes of entries and of their names.
    pub(crate) fn size(&self) -> usize {
        [SectionId::DebugInfo, SectionId::DebugStr].map(|id| self.get(id.name()).len()).iter().sum()
    }

    /// Whether there is any DWARF here.
    pub(crate) fn has_info(&self) -> bool {
        !self.get(SectionId::DebugInfo.name()).is_empty()
    }

    /// Whether there is nothing of a section.
    pub(crate) fn is_empty(&self, id: SectionId) -> bool {
        self.get(id.name()).is_empty()
    }

    pub(crate) fn slice(&self, id: SectionId) -> Slice<'_> {
        EndianSlice::new(self.get(id.name()), LittleEndian)
    }

    pub(crate) fn owned(&self, id: SectionId) -> DwarfBytes {
        let bytes = match self.data.get(id.name()) {
            Some(Section::Unpacked(bytes)) => Arc::clone(bytes),
            Some(Section::InFile(_)) | None => Arc::from(self.get(id.name())),
        };
        EndianArcSlice::new(bytes, LittleEndian)
    }

    /// gimli's entry point. With slices it is made anew for every question.
    pub(crate) fn all<'m, R: Held<'m>>(&'m self) -> Dwarf<R> {
        let load = |id| Ok::<_, std::convert::Infallible>(R::of(self, id));
        match Dwarf::load(load) {
            Ok(dwarf) => dwarf,
            Err(never) => match never {},
        }
    }

    pub(crate) fn dwarf(&self) -> Dwarf<Slice<'_>> {
        self.all()
    }

    /// The parts of a package; none if this is no package.
    pub(crate) fn package<'m, R: Held<'m>>(&'m self) -> Option<DwarfPackage<R>> {
        let load = |id| Ok::<_, gimli::Error>(R::of(self, id));
        // What is empty in all parts is so in every file.
        DwarfPackage::load(load, R::of(self, SectionId::DebugAranges)).ok()
    }
}
