//! What front and tracer tell each other, as bytes.

use std::time::Duration;

/// `SI_KERNEL` (asm-generic/siginfo.h): sent by the kernel, such as for a key of the terminal.
const SI_KERNEL: i32 = 0x80;
pub(super) const LEN: usize = 24;

/// A signal that the front was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its number.
    pub signal: i32,
    /// `si_code`.
    pub code: i32,
    /// `si_pid`.
    pub sender: i32,
    /// When the front took it, on the monotonic clock.
    pub at: Duration,
}

impl Passed {
    /// Whether the kernel sent it on its own account.
    pub fn is_from_kernel(&self) -> bool {
        self.code == SI_KERNEL
    }

    pub(super) fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let nanos = u64::try_from(self.at.as_nanos()).unwrap_or(u64::MAX);
        let words = [self.signal, self.code, self.sender, 0].map(i32::to_le_bytes);
        let all = words.iter().flatten().copied().chain(nanos.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(all) {
            *to = from;
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.split_at_checked(16)?;
        let [signal, code, sender, _] = words.as_chunks::<4>().0 else { return None };
        let [signal, code, sender] = [signal, code, sender].map(|word| i32::from_le_bytes(*word));
        let at = Duration::from_nanos(u64::from_le_bytes(rest.try_into().ok()?));
        Some(Self { signal, code, sender, at })
    }
}

/// What a tracer tells the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToFront {
    /// A job-control signal stopped the program's first process.
    Stopped(u8),
    /// The recording is over: exit with this code. The tracer lives on.
    Done(u8),
}

impl ToFront {
    pub(super) fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Stopped(signal) => [1, signal],
            Self::Done(code) => [2, code],
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [1, signal] => Some(Self::Stopped(*signal)),
            [2, code] => Some(Self::Done(*code)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let passed =
            Passed { signal: 15, code: -6, sender: 4711, at: Duration::from_nanos(1 << 40) };
        assert_eq!(Passed::from_bytes(&passed.to_bytes()), Some(passed));
        assert_eq!(Passed::from_bytes(&passed.to_bytes()[..LEN - 1]), None);
        for told in [ToFront::Stopped(20), ToFront::Done(137)] {
            assert_eq!(ToFront::from_bytes(&told.to_bytes()), Some(told));
        }
    }
}
