//! Maps by address: the translator looks things up for each block.

use std::hash::{BuildHasherDefault, Hasher};

/// A map by an address, or by another number of 64 bits.
#[expect(
    clippy::disallowed_types,
    reason = "nobody goes through one: only single keys are looked up"
)]
pub(crate) type NumberMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Mixes one number: the keys are not an adversary's, who could only make his own replay slow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }
}
