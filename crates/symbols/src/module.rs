//! One file of code. What is asked of it is read when it is first asked.

use std::fmt;
use std::sync::{Arc, OnceLock};

use retake_model::ContentHash;

use crate::bytes::SharedBytes;
use crate::demangle::demangle;
use crate::elf::{DebugLink, Elf, ThreadLocals};
use crate::error::ModuleError;
use crate::frame_table::FrameTable;
use crate::index::{Index, IndexSource, IndexStore};
use crate::objects::Objects;
use crate::plt::Plt;
use crate::sections::DebugSections;
use crate::split::{
    SharedName, Skeletons, SplitFiles, SplitName, load_supplement, supplement_named,
};
use crate::symtab::SymbolTable;
use crate::units::Units;
use crate::unwind::FrameSections;

/// An executable or a library.
pub struct Module {
    elf: Elf,
    /// What was split off: debug information and symbols.
    debug: Option<Elf>,
    sections: OnceLock<DebugSections>,
    split_files: Option<Arc<dyn SplitFiles>>,
    skeletons: OnceLock<Skeletons>,
    supplement: OnceLock<Option<DebugSections>>,
    symbols: OnceLock<SymbolTable>,
    objects: OnceLock<Objects>,
    index: OnceLock<Index>,
    index_source: Option<IndexSource>,
    frame_sections: OnceLock<FrameSections>,
    frame_table: OnceLock<FrameTable>,
    units: OnceLock<Units>,
    plt: OnceLock<Plt>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("elf", &self.elf).finish_non_exhaustive()
    }
}

impl Module {
    /// Reads the headers of an ELF file.
    ///
    /// # Errors
    /// When the bytes are no x86-64 executable or library.
    pub fn parse(bytes: SharedBytes) -> Result<Self, ModuleError> {
        Ok(Self {
            elf: Elf::parse(bytes)?,
            debug: None,
            sections: OnceLock::new(),
            split_files: None,
            skeletons: OnceLock::new(),
            supplement: OnceLock::new(),
            symbols: OnceLock::new(),
            objects: OnceLock::new(),
            index: OnceLock::new(),
            index_source: None,
            frame_sections: OnceLock::new(),
            frame_table: OnceLock::new(),
            units: OnceLock::new(),
            plt: OnceLock::new(),
        })
    }

    /// The same module, whose index is kept in `store`. `content` is the hash of its bytes, if it is known already.
    #[must_use]
    pub fn with_index_store(
        mut self,
        store: Arc<dyn IndexStore>,
        content: Option<ContentHash>,
    ) -> Self {
        self.index_source = Some(IndexSource { store, content });
        self
    }

    /// The same module, whose units that were split off are looked for in `files`.
    #[must_use]
    pub fn with_split_files(mut self, files: Arc<dyn SplitFiles>) -> Self {
        self.split_files = Some(files);
        self.skeletons = OnceLock::new();
        self.supplement = OnceLock::new();
        self
    }

    /// The files that units of it were split off to, each once.
    pub fn split_files(&self) -> Vec<SplitName> {
        self.skeletons().names().cloned().collect()
    }

    /// Those of them that are not found, and the file that it shares with others, if that is not. Looks for all of
    /// them.
    pub fn missing_files(&self) -> Vec<SplitName> {
        let shared = self.missing_shared_file().map(|name| SplitName {
            path: name.path,
            folder: Vec::new(),
            id: 0,
        });
        self.skeletons().missing().into_iter().cloned().chain(shared).collect()
    }

    /// The file that it shares with other modules, if it does.
    pub fn shared_file(&self) -> Option<SharedName> {
        supplement_named(self.debug.as_ref().unwrap_or(&self.elf))
    }

    /// The same, if that is not found. Looks for it.
    pub(crate) fn missing_shared_file(&self) -> Option<SharedName> {
        self.shared_file().filter(|_| self.supplement().is_none())
    }

    /// Whether it has DWARF: functions with lines, not symbols only.
    pub fn has_debug_info(&self) -> bool {
        self.sections().has_info()
    }

    /// The block of thread-local variables, if there are any.
    pub fn thread_locals(&self) -> Option<ThreadLocals> {
        self.elf.thread_locals
    }

    /// The function symbol at an address, readable, with the distance from its beginning.
    pub fn symbol_at(&self, addr: retake_model::FileAddr) -> Option<String> {
        let symbol = self.symbols().at(addr.get())?;
        let name = demangle(&symbol.name).unwrap_or_else(|| symbol.name.clone());
        Some(match addr.get() - symbol.addr {
            0 => name,
            far => format!("{name}+{far}"),
        })
    }

    /// Whether the file itself says that it has DWARF. Nothing is unpacked for that.
    pub fn says_debug_info(&self) -> bool {
        self.elf.has_section(".debug_info")
    }

    /// Whether the file that has the debug information has a section.
    pub(crate) fn has_debug_section(&self, name: &str) -> bool {
        self.debug.as_ref().unwrap_or(&self.elf).has_section(name)
    }

    /// Identifies the build (`.note.gnu.build-id`).
    pub fn build_id(&self) -> Option<&[u8]> {
        self.elf.build_id.as_deref()
    }

    /// Where separate debug information may be found.
    pub fn debug_link(&self) -> Option<&DebugLink> {
        self.elf.debug_link.as_ref()
    }

    /// Where execution starts.
    pub fn entry(&self) -> retake_model::FileAddr {
        retake_model::FileAddr::new(self.elf.entry)
    }

    /// Whether it is a library: no program, that is.
    pub fn is_library(&self) -> bool {
        self.elf.is_library
    }

    /// Whether it can be loaded anywhere.
    pub fn is_position_independent(&self) -> bool {
        self.elf.is_position_independent
    }

    pub(crate) fn elf(&self) -> &Elf {
        &self.elf
    }

    pub(crate) fn debug_elf(&self) -> Option<&Elf> {
        self.debug.as_ref()
    }

    /// What was found out without it is forgotten.
    pub(crate) fn use_debug_file(&mut self, debug: Elf) {
        self.debug = Some(debug);
        self.sections = OnceLock::new();
        self.skeletons = OnceLock::new();
        self.supplement = OnceLock::new();
        self.symbols = OnceLock::new();
        self.objects = OnceLock::new();
        self.index = OnceLock::new();
        self.units = OnceLock::new();
    }

    pub(crate) fn sections(&self) -> &DebugSections {
        self.sections.get_or_init(|| DebugSections::load(self.debug.as_ref().unwrap_or(&self.elf)))
    }

    pub(crate) fn skeletons(&self) -> &Skeletons {
        self.skeletons.get_or_init(|| Skeletons::load(self, self.split_files.clone()))
    }

    /// The sections of the file that it shares with others; none if it shares none, or that is not found.
    pub(crate) fn supplement(&self) -> Option<&DebugSections> {
        let load = || load_supplement(self.split_files.as_deref(), &self.shared_file()?);
        self.supplement.get_or_init(load).as_ref()
    }

    pub(crate) fn symbols(&self) -> &SymbolTable {
        self.symbols.get_or_init(|| SymbolTable::load(&self.elf, self.debug.as_ref()))
    }

    pub(crate) fn objects(&self) -> &Objects {
        self.objects.get_or_init(|| Objects::load(&self.elf, self.debug.as_ref()))
    }

    pub(crate) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(self, self.index_source.as_ref()))
    }

    pub(crate) fn frame_sections(&self) -> &FrameSections {
        self.frame_sections.get_or_init(|| FrameSections::load(self))
    }

    pub(crate) fn frame_table(&self) -> &FrameTable {
        self.frame_table.get_or_init(|| FrameTable::load(self))
    }

    pub(crate) fn units(&self) -> &Units {
        self.units.get_or_init(Units::default)
    }

    pub(crate) fn plt(&self) -> &Plt {
        self.plt.get_or_init(|| Plt::load(self))
    }
}
