//! Symbols of data: tables of virtual functions, what a runtime keeps.

use object::{Object, ObjectSymbol, SymbolKind};
use retake_model::FileAddr;

use crate::demangle::demangle;
use crate::elf::Elf;
use crate::module::Module;

/// Data of a module that has a name.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    /// Address, size and name; ascending.
    by_addr: Vec<(u64, u64, String)>,
}

impl Objects {
    pub(crate) fn load(elf: &Elf, debug: Option<&Elf>) -> Self {
        let files: Vec<_> = std::iter::once(elf).chain(debug).filter_map(Elf::file).collect();
        let mut by_addr: Vec<(u64, u64, String)> = files
            .iter()
            .flat_map(|file| file.symbols().chain(file.dynamic_symbols()))
            .filter(|symbol| {
                let is_data = matches!(symbol.kind(), SymbolKind::Data | SymbolKind::Unknown);
                is_data && symbol.address() != 0
            })
            .filter_map(|symbol| {
                let name = symbol.name().ok().filter(|name| !name.is_empty())?;
                Some((symbol.address(), symbol.size(), name.to_owned()))
            })
            .collect();
        by_addr.sort_unstable();
        by_addr.dedup();
        Self { by_addr }
    }
}

impl Module {
    /// The data symbol that an address lies in, readable, and the distance from its beginning.
    pub fn object_at(&self, addr: FileAddr) -> Option<(String, u64)> {
        let objects = &self.objects().by_addr;
        let after = objects.partition_point(|(start, ..)| *start <= addr.get());
        let before = objects.get(..after)?.iter().rev().take(16);
        let inside = |(start, size, _): &&(u64, u64, String)| addr.get() - start < (*size).max(1);
        let (start, _, name) = before.into_iter().find(inside)?;
        let name = demangle(name).unwrap_or_else(|| name.clone());
        Some((name, addr.get() - start))
    }

    /// Where the data of a name is, as the linker knows it.
    pub fn object_named(&self, name: &str) -> Option<FileAddr> {
        let found = self.objects().by_addr.iter().find(|(.., own)| own == name);
        found.map(|(addr, ..)| FileAddr::new(*addr))
    }
}
