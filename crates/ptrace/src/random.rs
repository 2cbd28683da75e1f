//! Random numbers of the processor (Intel SDM vol. 2, RDRAND, RDSEED).
#![expect(unsafe_code, reason = "rdrand and rdseed")]

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{_rdrand64_step, _rdseed64_step};

/// Which instruction gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RandomInstruction {
    /// `rdrand`
    Rand,
    /// `rdseed`
    Seed,
}

impl RandomInstruction {
    /// Whether this processor has it.
    pub fn is_here(self) -> bool {
        match self {
            Self::Rand => is_x86_feature_detected!("rdrand"),
            Self::Seed => is_x86_feature_detected!("rdseed"),
        }
    }

    /// 64 random bits; `None` where the processor has none right now, or no such instruction.
    pub fn execute(self) -> Option<u64> {
        if !self.is_here() {
            return None;
        }
        let mut bits = 0;
        let given = match self {
            // SAFETY: the processor has the instruction.
            Self::Rand => unsafe { rand(&mut bits) },
            // SAFETY: the same.
            Self::Seed => unsafe { seed(&mut bits) },
        };
        given.then_some(bits)
    }
}

#[target_feature(enable = "rdrand")]
fn rand(bits: &mut u64) -> bool {
    _rdrand64_step(bits) == 1
}

#[target_feature(enable = "rdseed")]
fn seed(bits: &mut u64) -> bool {
    _rdseed64_step(bits) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_differ() {
        let numbers = || (0..10).find_map(|_| RandomInstruction::Rand.execute());
        assert_eq!(RandomInstruction::Rand.is_here(), numbers().is_some());
        if let (Some(one), Some(other)) = (numbers(), numbers()) {
            assert_ne!(one, other);
        }
    }
}
