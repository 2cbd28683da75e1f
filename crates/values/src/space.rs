//! What is asked of the program: memory, and what it has where.

use std::sync::Arc;

use retake_model::{Addr, FileAddr, RegisterName, Registers, VectorState};

use crate::Missing;
use crate::dwarf::Info;

/// An address space of the program at a moment.
pub trait Space {
    /// Fills `out` from memory up to the first byte that is not mapped; says how many bytes that are.
    fn read(&self, addr: Addr, out: &mut [u8]) -> usize;

    /// The function or variable that begins at an address, for people.
    fn symbol(&self, _addr: Addr) -> Option<String> {
        None
    }

    /// What is added to the addresses of a module's file; none if it is not loaded.
    fn bias(&self, _info: &Info) -> Option<u64> {
        None
    }

    /// Fills all of `out` from memory.
    ///
    /// # Errors
    /// When a part of it is not mapped.
    fn read_all(&self, addr: Addr, out: &mut [u8]) -> Result<(), Missing> {
        let got = self.read(addr, out);
        if got >= out.len() {
            return Ok(());
        }
        let got = u64::try_from(got).unwrap_or(0);
        Err(Missing::NotMapped(Addr::new(addr.get().wrapping_add(got))))
    }

    /// The word at an address.
    ///
    /// # Errors
    /// When it is not mapped.
    fn word(&self, addr: Addr) -> Result<u64, Missing> {
        let mut word = [0; 8];
        self.read_all(addr, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }
}

/// Which registers of a frame are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownRegisters {
    /// All of them: the innermost frame, and one that a signal interrupted.
    All,
    /// Those that a called function leaves as they were (System V ABI for AMD64, 3.2.1).
    CalleeSaved,
}

/// A frame of a stack, as location expressions see it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The debug information of its code.
    pub info: Arc<Info>,
    /// What is added to the addresses of the file.
    pub bias: u64,
    /// The place of its code to look up: inside the call, for a return address.
    pub pc: FileAddr,
    /// Its registers.
    pub registers: Registers,
    /// Which of them are known.
    pub known: KnownRegisters,
    /// Its vector registers, where they are known.
    pub vectors: Option<Arc<VectorState>>,
    /// The canonical frame address.
    pub cfa: Option<Addr>,
}

/// The DWARF number of `xmm0` (System V ABI for AMD64, figure 3.36); fifteen more follow.
const XMM0: u16 = 17;
/// Where `xmm0` is in an XSAVE area (Intel SDM vol. 1, table 13-1).
const XMM_AT: usize = 160;
/// `XSTATE_BV`: the SSE component is in use.
const SSE: u64 = 2;

impl Frame {
    /// The bytes of a register by its DWARF number.
    pub(crate) fn register(&self, number: u16) -> Result<Vec<u8>, Missing> {
        if let Some(name) = general(number) {
            let kept = matches!(
                name,
                RegisterName::Rbx
                    | RegisterName::Rbp
                    | RegisterName::Rsp
                    | RegisterName::Rip
                    | RegisterName::R12
                    | RegisterName::R13
                    | RegisterName::R14
                    | RegisterName::R15
            );
            if self.known == KnownRegisters::All || kept {
                return Ok(self.registers.get(name).to_le_bytes().to_vec());
            }
            return Err(Missing::NotSaved(name.name().to_owned()));
        }
        let Some(index) = number.checked_sub(XMM0).filter(|index| *index < 16) else {
            return Err(Missing::Unclear(format!("register {number} is not supported")));
        };
        let lost = || Missing::NotSaved(format!("xmm{index}"));
        let vectors = self.vectors.as_ref().ok_or_else(lost)?;
        if vectors.in_use().is_some_and(|used| used & SSE == 0) {
            return Ok(vec![0; 16]);
        }
        let start = XMM_AT + 16 * usize::from(index);
        vectors.as_bytes().get(start..start + 16).map(<[u8]>::to_vec).ok_or_else(lost)
    }
}

/// The general register of a DWARF number (System V ABI for AMD64, figure 3.36).
pub(crate) fn general(number: u16) -> Option<RegisterName> {
    use RegisterName as R;
    const ORDER: [RegisterName; 17] = [
        R::Rax,
        R::Rdx,
        R::Rcx,
        R::Rbx,
        R::Rsi,
        R::Rdi,
        R::Rbp,
        R::Rsp,
        R::R8,
        R::R9,
        R::R10,
        R::R11,
        R::R12,
        R::R13,
        R::R14,
        R::R15,
        R::Rip,
    ];
    ORDER.get(usize::from(number)).copied()
}
