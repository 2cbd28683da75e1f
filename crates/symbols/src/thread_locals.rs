//! Where a library's thread-local variables are: the dynamic linker writes that into words of the library ("ELF Handling
//! For Thread-Local Storage", 3.4 and 4.4.6).

use object::elf::{R_X86_64_DTPMOD64, R_X86_64_TPOFF64};
use object::{
    Object, ObjectSymbol, ObjectSymbolTable, RelocationFlags, RelocationTarget, SymbolIndex,
    SymbolKind,
};
use retake_model::FileAddr;

use crate::elf::Elf;
use crate::module::Module;

/// A word of a library that says where its block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadLocalWord {
    /// It holds the number of the module in each thread's vector of blocks.
    Number(FileAddr),
    /// It holds the distance from the thread's pointer to a byte of the block.
    Distance {
        /// Where the word is.
        at: FileAddr,
        /// Which byte.
        byte: u64,
    },
}

impl Module {
    /// The word that says where the library's own block of thread-local variables is; none if nothing in it needs
    /// to know.
    pub fn thread_local_word(&self) -> Option<ThreadLocalWord> {
        let file = self.elf().file()?;
        let symbols = file.dynamic_symbol_table();
        // None is the library itself; a name without a place is of another one.
        let own = |index: SymbolIndex| match index.0 {
            0 => Some(0),
            _ => {
                let symbol = symbols.as_ref()?.symbol_by_index(index).ok()?;
                (!symbol.is_undefined()).then(|| symbol.address())
            }
        };
        file.dynamic_relocations()?.find_map(|(at, relocation)| {
            let RelocationFlags::Elf { r_type } = relocation.flags() else { return None };
            let at = FileAddr::new(at);
            let symbol = match relocation.target() {
                RelocationTarget::Symbol(index) => own(index)?,
                _ => 0,
            };
            match r_type {
                R_X86_64_DTPMOD64 => Some(ThreadLocalWord::Number(at)),
                R_X86_64_TPOFF64 => {
                    let byte = symbol.checked_add_signed(relocation.addend())?;
                    Some(ThreadLocalWord::Distance { at, byte })
                }
                _ => None,
            }
        })
    }

    /// Whether the linker took the thread-local variable of a symbol; none if the symbols are gone.
    pub fn has_thread_local(&self, name: &str) -> Option<bool> {
        let files = std::iter::once(self.elf()).chain(self.debug_elf()).filter_map(Elf::file);
        let mut are_there = false;
        for file in files {
            for symbol in file.symbols() {
                are_there = true;
                if symbol.kind() == SymbolKind::Tls && symbol.name() == Ok(name) {
                    return Some(true);
                }
            }
        }
        are_there.then_some(false)
    }
}
