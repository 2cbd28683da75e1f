//! What stands in the program where it had an instruction that gives random numbers.

/// `rdtscp`: it faults for recorder and replayer, like every look at the time-stamp counter, and is no longer than any
/// form of `rdrand` and `rdseed` (Intel SDM vol. 2). What is left of those are `nop`s, which nobody comes to.
pub const IN_ITS_PLACE: [u8; 3] = [0x0f, 0x01, 0xf9];
