//! Segments of a program's own (modify_ldt(2)).

use serde::{Deserialize, Serialize};

/// One entry of an address space's table of segments, as the program set it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSegment {
    /// Which form of the call set it: its first argument.
    pub function: u8,
    /// `struct user_desc` (asm/ldt.h). Its first word is the entry's number.
    pub descriptor: [u8; 16],
}

impl LocalSegment {
    /// Which entry it is.
    pub fn entry(&self) -> u32 {
        let [a, b, c, d, ..] = self.descriptor;
        u32::from_le_bytes([a, b, c, d])
    }

    /// An entry with nothing in it.
    pub fn empty(entry: u32) -> Self {
        /// The form that looks at all bits.
        const NEW: u8 = 0x11;
        /// `read_exec_only` and `seg_not_present`: with all else zero, the entry is cleared.
        const CLEARED: u8 = 1 << 3 | 1 << 5;
        let mut descriptor = [0; 16];
        if let Some((number, rest)) = descriptor.split_first_chunk_mut::<4>() {
            *number = entry.to_le_bytes();
            if let Some(bits) = rest.get_mut(8) {
                *bits = CLEARED;
            }
        }
        Self { function: NEW, descriptor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_entry_is_as_the_kernel_has_it() {
        let empty = LocalSegment::empty(0x102);
        assert_eq!(empty.entry(), 0x102);
        assert_eq!(empty.descriptor, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x28, 0, 0, 0]);
    }
}
