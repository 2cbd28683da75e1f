//! The symbol tables (gABI "Symbol Table"): what there is where no DWARF is.

use object::{Object, ObjectSymbol, SymbolKind};

use crate::elf::Elf;

/// A function symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodeSymbol {
    pub(crate) addr: u64,
    /// Bytes; 0 if the assembler did not say.
    pub(crate) size: u64,
    pub(crate) name: String,
}

/// The function symbols of `.symtab` and `.dynsym`, by address, one for each.
#[derive(Debug, Default)]
pub(crate) struct SymbolTable(Vec<CodeSymbol>);

impl SymbolTable {
    pub(crate) fn load(elf: &Elf) -> Self {
        let Some(file) = elf.file() else { return Self::default() };
        let mut list: Vec<CodeSymbol> = file
            .symbols()
            .chain(file.dynamic_symbols())
            .filter(|symbol| symbol.kind() == SymbolKind::Text && elf.is_code(symbol.address()))
            .filter_map(|symbol| {
                let name = symbol.name().ok().filter(|name| !name.is_empty())?;
                Some(CodeSymbol {
                    addr: symbol.address(),
                    size: symbol.size(),
                    name: name.to_owned(),
                })
            })
            .collect();
        // Of several names the longest symbol with the shortest name says most (`write`, not
        // `__write`); equal ones come from both tables.
        list.sort_by(|a, b| {
            let key = |s: &CodeSymbol| (s.addr, std::cmp::Reverse(s.size), s.name.len());
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        list.dedup_by(|a, b| a.addr == b.addr && a.name == b.name);
        Self(list)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &CodeSymbol> {
        self.0.iter()
    }

    /// The symbol that `addr` lies in, or right after if its size is not known.
    pub(crate) fn at(&self, addr: u64) -> Option<&CodeSymbol> {
        let after = self.0.partition_point(|symbol| symbol.addr <= addr);
        let start = self.0.get(after.checked_sub(1)?)?.addr;
        let first = self.0.partition_point(|symbol| symbol.addr < start);
        let symbol = self.0.get(first)?;
        (symbol.size == 0 || addr - symbol.addr < symbol.size).then_some(symbol)
    }

    /// The first symbol behind `addr`.
    pub(crate) fn next_after(&self, addr: u64) -> Option<&CodeSymbol> {
        self.0.get(self.0.partition_point(|symbol| symbol.addr <= addr))
    }

    /// The symbol of this name; `None` if there are several (static functions of different files).
    pub(crate) fn only(&self, name: &str) -> Option<&CodeSymbol> {
        let mut found = self.0.iter().filter(|symbol| symbol.name == name);
        found.next().filter(|_| found.next().is_none())
    }
}
