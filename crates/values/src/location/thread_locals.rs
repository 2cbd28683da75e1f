//! Where thread-local variables are.

use retake_model::Addr;
use retake_symbols::ThreadLocalWord;

use super::{At, unclear};
use crate::Missing;
use crate::dwarf::Info;

impl At<'_> {
    /// A thread-local variable. The program's own block ends where `fs_base` is (variant II, "ELF Handling For
    /// Thread-Local Storage" §3.4.6).
    pub(super) fn thread_local(&self, info: &Info, offset: u64) -> Result<u64, Missing> {
        let block = info.module().thread_locals().ok_or_else(|| unclear("the thread's block"))?;
        // gcc 12 writes the address of the symbol where the offset belongs, if the debug information is split off: no
        // block begins that far behind its begin.
        let misplaced = offset.checked_sub(block.addr).filter(|offset| *offset < block.size);
        let offset = match misplaced {
            Some(inside) if offset >= block.size => inside,
            _ => offset,
        };
        let thread = self.thread.filter(|thread| !thread.is_null());
        let thread = thread.ok_or_else(|| unclear("the thread's block is not set up yet"))?;
        if info.module().is_library() {
            return Ok(self.block_of_library(info, thread)?.wrapping_add(offset));
        }
        let size = block.size.checked_next_multiple_of(block.align).unwrap_or(block.size);
        Ok(thread.get().wrapping_sub(size).wrapping_add(offset))
    }

    /// Where the thread's block of a library is (glibc's `tcbhead_t` and `dtv_t`).
    fn block_of_library(&self, info: &Info, thread: Addr) -> Result<u64, Missing> {
        const VECTOR: u64 = 8;
        const ENTRY: u64 = 16;
        let bias = self.bias_of(info).ok_or_else(|| unclear("the module is not loaded"))?;
        let word = |addr: u64| self.space.word(Addr::new(addr));
        let at = info.module().thread_local_word();
        match at.ok_or_else(|| unclear("where the library's thread-local variables are"))? {
            ThreadLocalWord::Distance { at, byte } => {
                let distance = word(at.get().wrapping_add(bias))?;
                Ok(thread.get().wrapping_add(distance).wrapping_sub(byte))
            }
            ThreadLocalWord::Number(at) => {
                let number = word(at.get().wrapping_add(bias))?;
                let vector = word(thread.get().wrapping_add(VECTOR))?;
                match word(vector.wrapping_add(number.wrapping_mul(ENTRY)))? {
                    0 | u64::MAX => {
                        Err(unclear("the thread has not used the library's variables yet"))
                    }
                    block => Ok(block),
                }
            }
        }
    }
}
