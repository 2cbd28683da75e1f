//! Hashes of what a program wrote, to descriptors and to memory.

use std::fmt;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Takes the bytes of one write, in pieces.
#[derive(Default)]
pub struct OutputHash(Xxh3);

impl fmt::Debug for OutputHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputHash").finish_non_exhaustive()
    }
}

impl OutputHash {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of bytes that are in one piece.
    pub fn of(bytes: &[u8]) -> u64 {
        xxh3_64(bytes)
    }

    /// The hash (xxh3, 64 bits) of all bytes taken.
    pub fn finish(&self) -> u64 {
        self.0.digest()
    }
}

/// Takes the contents of pages, in the order of a [`crate::PageDigest`].
#[derive(Default)]
pub struct PageHasher(Xxh3);

impl fmt::Debug for PageHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageHasher").finish_non_exhaustive()
    }
}

impl PageHasher {
    /// No pages yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes whole pages.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash (xxh3, 128 bits) of all pages taken.
    pub fn finish(&self) -> u128 {
        self.0.digest128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_or_several() {
        for len in [0, 1, 16, 17, 240, 241, 5000] {
            let bytes: Vec<u8> = (0..len).map(|n: u32| n.to_le_bytes()[0] ^ 0x5a).collect();
            let mut hash = OutputHash::default();
            for part in bytes.chunks(7) {
                hash.update(part);
            }
            assert_eq!(hash.finish(), OutputHash::of(&bytes), "{len} bytes");
        }
    }
}
