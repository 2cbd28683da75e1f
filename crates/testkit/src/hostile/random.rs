//! Numbers that are the same in each run.

/// xorshift64 (Marsaglia, 2003), begun anew for each input: an input can be repeated without those before it.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of one input.
    pub fn of(seed: u64, input: u64) -> Self {
        // SplitMix64 (Steele, Lea, Flood, 2014): neighbors have nothing in common.
        let mut state = seed ^ input.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((state ^ (state >> 31)) | 1)
    }

    /// The next one.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from((self.word() >> 8) % end.max(1) as u64).unwrap_or(0)
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.word().to_be_bytes()[0]
    }

    /// One of several.
    pub fn of_these<'a, T: ?Sized>(&mut self, these: &[&'a T]) -> &'a T {
        these[self.below(these.len())]
    }
}
