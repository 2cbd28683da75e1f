//! The symbol tables (gABI "Symbol Table"): what there is where no DWARF is.

use std::sync::OnceLock;

use object::elf::STT_GNU_IFUNC;
use object::{Object, ObjectSymbol, SymbolKind};

use crate::elf::Elf;

/// A function symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodeSymbol {
    pub(crate) addr: u64,
    /// Bytes; 0 if the assembler did not say.
    pub(crate) size: u64,
    pub(crate) name: String,
    /// Whether it is an indirect function: the code chooses the implementation.
    pub(crate) indirect: bool,
}

/// The function symbols of `.symtab` and `.dynsym`, by address, one for each.
#[derive(Debug, Default)]
pub(crate) struct SymbolTable {
    by_addr: Vec<CodeSymbol>,
    /// Numbers of the symbols, by name; made when it is first needed.
    by_name: OnceLock<Vec<usize>>,
}

impl SymbolTable {
    pub(crate) fn load(elf: &Elf, debug: Option<&Elf>) -> Self {
        let files: Vec<_> = std::iter::once(elf).chain(debug).filter_map(Elf::file).collect();
        let mut list: Vec<CodeSymbol> = files
            .iter()
            .flat_map(|file| file.symbols().chain(file.dynamic_symbols()))
            .filter(|symbol| symbol.kind() == SymbolKind::Text && elf.is_code(symbol.address()))
            .filter_map(|symbol| {
                let name = symbol.name().ok().filter(|name| !name.is_empty())?;
                Some(CodeSymbol {
                    addr: symbol.address(),
                    size: symbol.size(),
                    name: name.to_owned(),
                    indirect: symbol.elf_symbol().st_type() == STT_GNU_IFUNC,
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
        Self { by_addr: list, by_name: OnceLock::new() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &CodeSymbol> {
        self.by_addr.iter()
    }

    /// The symbol that `addr` lies in, or right after if its size is not known.
    pub(crate) fn at(&self, addr: u64) -> Option<&CodeSymbol> {
        let after = self.by_addr.partition_point(|symbol| symbol.addr <= addr);
        let start = self.by_addr.get(after.checked_sub(1)?)?.addr;
        let first = self.by_addr.partition_point(|symbol| symbol.addr < start);
        let symbol = self.by_addr.get(first)?;
        (symbol.size == 0 || addr - symbol.addr < symbol.size).then_some(symbol)
    }

    /// The first symbol behind `addr`.
    pub(crate) fn next_after(&self, addr: u64) -> Option<&CodeSymbol> {
        self.by_addr.get(self.by_addr.partition_point(|symbol| symbol.addr <= addr))
    }

    /// The symbol of this name; `None` if there are several (static functions of different files).
    pub(crate) fn only(&self, name: &str) -> Option<&CodeSymbol> {
        let name_of = |index: &usize| self.by_addr.get(*index).map(|symbol| symbol.name.as_str());
        let by_name = self.by_name.get_or_init(|| {
            let mut list: Vec<usize> = (0..self.by_addr.len()).collect();
            list.sort_by_key(name_of);
            list
        });
        let from = by_name.partition_point(|index| name_of(index) < Some(name));
        let mut found = by_name.get(from..)?.iter().take_while(|i| name_of(i) == Some(name));
        let only = self.by_addr.get(*found.next()?)?;
        found.next().is_none().then_some(only)
    }
}
