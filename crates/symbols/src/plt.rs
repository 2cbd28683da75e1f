//! Code that only leads to other code: PLT stubs, the dynamic linker, thunks.

use std::ops::Range;

use object::elf::DT_SONAME;
use object::read::elf::{Dyn, FileHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};
use retake_model::FileAddr;

use crate::elf::Elf;
use crate::module::Module;
use crate::prologue::ENDBR;

/// `.plt` has a first entry that calls the dynamic linker; entries are 16 bytes long (System V ABI
/// for AMD64, figure 5.2).
const LAZY: &str = ".plt";
const OTHERS: [&str; 4] = [".plt.sec", ".plt.got", ".plt.bnd", ".iplt"];
const ENTRY_LEN: u64 = 16;
/// `push imm32`, `push [rip + disp32]`, `jmp [rip + disp32]`, and the prefix `bnd`.
const PUSH_NUMBER: u8 = 0x68;
const PUSH_WORD: [u8; 2] = [0xff, 0x35];
const JUMP: [u8; 2] = [0xff, 0x25];
const BND: u8 = 0xf2;

/// Code that a step into a call goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trampoline {
    /// A stub of the procedure linkage table.
    Plt {
        /// At the jump of a stub, or before it: where the word is that holds the target, counted from
        /// the address asked for (wrapping). `None` further on, on the way to the dynamic linker.
        slot: Option<i64>,
    },
    /// The dynamic linker, which finds a function when it is first called and jumps to it.
    DynamicLinker,
    /// A jump to a function: a C++ thunk that adjusts `this`, or a guarded indirect jump.
    Thunk,
}

/// The stubs of a module.
#[derive(Debug, Default)]
pub(crate) struct Plt {
    lazy: Option<Range<u64>>,
    others: Vec<Range<u64>>,
    /// Whether the module is the dynamic linker.
    is_linker: bool,
}

impl Plt {
    pub(crate) fn load(module: &Module) -> Self {
        let elf = module.elf();
        let Some(file) = elf.file() else { return Self::default() };
        let range = |name: &str| {
            let section = file.section_by_name(name)?;
            let range = section.address()..section.address().checked_add(section.size())?;
            elf.is_code(range.start).then_some(range)
        };
        Self {
            lazy: range(LAZY),
            others: OTHERS.into_iter().filter_map(range).collect(),
            is_linker: is_linker(elf),
        }
    }

    fn is_stub(&self, addr: u64) -> bool {
        self.lazy.iter().chain(&self.others).any(|range| range.contains(&addr))
    }

    /// How many bytes a stub has pushed when it comes to `addr`; `None` if that is no stub.
    pub(crate) fn pushed_at(&self, module: &Module, addr: u64) -> Option<u64> {
        let Some(lazy) = self.lazy.as_ref().filter(|range| range.contains(&addr)) else {
            return self.is_stub(addr).then_some(0);
        };
        let into = addr - lazy.start;
        let start = addr - into % ENTRY_LEN;
        let entry = module.elf().bytes_at(FileAddr::new(start), 16)?;
        let done = usize::try_from(addr - start).ok()?;
        if into < ENTRY_LEN && entry.starts_with(&PUSH_WORD) {
            // The stub that jumped here has pushed its number.
            return Some(if done >= 6 { 16 } else { 8 });
        }
        // The number is pushed after the jump, after `endbr64`, or first.
        let push = [6, 4, 0].into_iter().find(|at| entry.get(*at) == Some(&PUSH_NUMBER));
        Some(if push.is_some_and(|at| done >= at + 5) { 8 } else { 0 })
    }
}

/// The dynamic linker is known by its name (`ld-linux-x86-64.so.2`).
fn is_linker(elf: &Elf) -> bool {
    let Some(file) = elf.file() else { return false };
    let header = file.elf_header();
    let name = || {
        let sections = header.sections(LittleEndian, file.data()).ok()?;
        let (entries, link) = sections.dynamic(LittleEndian, file.data()).ok()??;
        let strings = sections.strings(LittleEndian, file.data(), link).ok()?;
        let entry = entries.iter().find(|entry| entry.tag32(LittleEndian) == Some(DT_SONAME))?;
        entry.string(LittleEndian, strings).ok()
    };
    name().is_some_and(|name| name.starts_with(b"ld-") || name.starts_with(b"ld.so"))
        && file.dynamic_symbols().any(|symbol| symbol.name() == Ok("_r_debug"))
}

impl Module {
    /// Whether `addr` is in code that a step goes through, to where that leads.
    pub fn trampoline(&self, addr: FileAddr) -> Option<Trampoline> {
        if !self.elf().is_code(addr.get()) {
            return None;
        }
        if self.plt().is_stub(addr.get()) {
            return Some(Trampoline::Plt { slot: self.slot(addr) });
        }
        let symbol = self.symbols().at(addr.get()).map(|symbol| symbol.name.as_str());
        if self.plt().is_linker && symbol.is_none_or(|name| name.starts_with("_dl_runtime_")) {
            return Some(Trampoline::DynamicLinker);
        }
        let thunks = ["_ZTh", "_ZTv", "_ZTc", "__x86_indirect_thunk_", "__llvm_retpoline_"];
        symbol
            .filter(|name| thunks.iter().any(|thunk| name.starts_with(thunk)))
            .map(|_| Trampoline::Thunk)
    }

    /// `[endbr64] [bnd] jmp [rip + distance]`
    fn slot(&self, addr: FileAddr) -> Option<i64> {
        let code = self.elf().bytes_at(addr, 16)?;
        let rest = code.strip_prefix(&ENDBR).unwrap_or(code);
        let rest = rest.strip_prefix(&[BND]).unwrap_or(rest);
        let operand = rest.strip_prefix(&JUMP)?.first_chunk::<4>()?;
        let end = i64::try_from(code.len() - rest.len()).ok()? + 6;
        Some(end + i64::from(i32::from_le_bytes(*operand)))
    }
}
