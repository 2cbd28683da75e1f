//! What the code has written down of a call.

use retake_abi::Errno;
use retake_model::{Addr, Registers, SyscallNo};

use super::code::{FastCode, Kind, kind_of};

/// The words of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// In the order of the buffer.
    pub words: [u64; Entry::WORDS],
}

pub(super) const FS_BASE: usize = 15;
pub(super) const GS_BASE: usize = 16;
pub(super) const RESULT: usize = 17;
pub(super) const FLAGS: usize = 18;
pub(super) const OUTPUT: usize = 19;

impl Entry {
    /// How many there are.
    pub const WORDS: usize = 21;
    /// Bytes.
    pub const LEN: u64 = 8 * Self::WORDS as u64;

    /// The number of the call.
    pub fn no(&self) -> SyscallNo {
        SyscallNo::new(u32::try_from(self.words[1]).unwrap_or(u32::MAX))
    }

    /// Registers at the entry of the call, but for those that say nothing about the program; `like`
    /// gives the segments.
    pub fn before(&self, code: &FastCode, like: &Registers) -> Registers {
        let [_, no, rbx, rbp, rsp, rdi, rsi, rdx, r8, r9, r10, r12, r13, r14, r15, ..] = self.words;
        let (fs_base, gs_base, flags) =
            (self.words[FS_BASE], self.words[GS_BASE], self.words[FLAGS]);
        let rip = code.after_call.get();
        Registers {
            rbx,
            rbp,
            rsp,
            rdi,
            rsi,
            rdx,
            r8,
            r9,
            r10,
            r12,
            r13,
            r14,
            r15,
            fs_base,
            gs_base,
            orig_rax: no,
            rax: Errno::ENOSYS.to_result().cast_unsigned(),
            rcx: rip,
            rip,
            r11: flags,
            eflags: flags,
            ..*like
        }
    }

    /// What the call gave.
    pub fn result(&self) -> i64 {
        self.words[RESULT].cast_signed()
    }

    /// Takes the result and the flags from registers: the code had not come to write them.
    pub fn complete(&mut self, registers: &Registers) {
        self.words[RESULT] = registers.rax;
        self.words[FLAGS] = registers.r11;
    }

    /// Sets what the call wrote: the code had not come to copy it.
    pub fn set_output(&mut self, bytes: [u8; 16]) {
        for (word, bytes) in self.words[OUTPUT..].iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
    }

    /// Where the call wrote, and what.
    pub fn output(&self) -> Option<(Addr, [u8; 16])> {
        let addr = match kind_of(self.no()) {
            Kind::Clock => self.words[6],
            Kind::TimeOfDay => self.words[5],
            Kind::Traced | Kind::Plain | Kind::Time => return None,
        };
        let mut bytes = [0; 16];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(&self.words[OUTPUT..]) {
            *place = word.to_le_bytes();
        }
        (self.result() == 0).then_some((Addr::new(addr), bytes))
    }
}
