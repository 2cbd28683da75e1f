//! Sets of CPUs, as calls and files have them.

use std::collections::BTreeSet;
use std::fmt::Write;

const BITS: usize = 8;
/// Bits of a group of hexadecimal digits in a file, and of a digit.
const GROUP: usize = 32;
const DIGIT: usize = 4;

/// CPUs, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuSet(BTreeSet<usize>);

impl CpuSet {
    /// The first `count` CPUs.
    pub(crate) fn first(count: usize) -> Self {
        Self((0..count).collect())
    }

    /// Those whose bits are set, as sched_getaffinity(2) has them.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let bit = |cpu: &usize| bytes.get(cpu / BITS).is_some_and(|b| b >> (cpu % BITS) & 1 != 0);
        Self((0..bytes.len() * BITS).filter(bit).collect())
    }

    /// The same the other way round, for so many bytes.
    pub(crate) fn to_bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        for cpu in &self.0 {
            if let Some(byte) = bytes.get_mut(cpu / BITS) {
                *byte |= 1 << (cpu % BITS);
            }
        }
        bytes
    }

    /// Reads `0-3,5`.
    pub(crate) fn from_list(list: &str) -> Option<Self> {
        let mut cpus = BTreeSet::new();
        for part in list.trim().split(',').filter(|part| !part.is_empty()) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            cpus.extend(from.parse::<usize>().ok()?..=to.parse().ok()?);
        }
        Some(Self(cpus))
    }

    /// Writes that.
    pub(crate) fn to_list(&self) -> String {
        let mut list = String::new();
        let mut cpus = self.0.iter().copied().peekable();
        while let Some(from) = cpus.next() {
            let mut to = from;
            while let Some(next) = cpus.next_if(|next| *next == to + 1) {
                to = next;
            }
            let comma = if list.is_empty() { "" } else { "," };
            let range = if from == to { from.to_string() } else { format!("{from}-{to}") };
            // Writing to a string does not fail.
            let _ = write!(list, "{comma}{range}");
        }
        list
    }

    /// Hexadecimal digits of as many CPUs as `bits` says, in groups of eight (proc_pid_status(5), `Cpus_allowed`).
    pub(crate) fn to_mask(&self, bits: usize) -> String {
        let digits = bits / GROUP * (GROUP / DIGIT) + (bits % GROUP).div_ceil(DIGIT);
        let value = |digit: usize| {
            let bit = |bit: usize| u32::from(self.contains(digit * DIGIT + bit)) << bit;
            (0..DIGIT).map(bit).sum::<u32>()
        };
        let mut mask = String::new();
        for digit in (0..digits).rev() {
            let _ = write!(mask, "{:x}", value(digit));
            if digit > 0 && digit.is_multiple_of(GROUP / DIGIT) {
                mask.push(',');
            }
        }
        mask
    }

    pub(crate) fn contains(&self, cpu: usize) -> bool {
        self.0.contains(&cpu)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).copied().collect())
    }

    /// The `n`-th of them after `home`, counted around; from the first on where `home` is none of them.
    pub(crate) fn nth_after(&self, home: usize, n: usize) -> Option<usize> {
        let start = self.0.iter().position(|cpu| *cpu == home).unwrap_or(0);
        let at = (start + n).checked_rem(self.0.len())?;
        self.0.iter().nth(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cpus: &[usize]) -> CpuSet {
        CpuSet(cpus.iter().copied().collect())
    }

    #[test]
    fn lists_are_written_and_read() {
        for (cpus, list) in
            [(&[][..], ""), (&[0], "0"), (&[0, 1, 2, 3], "0-3"), (&[1, 3, 4, 70], "1,3-4,70")]
        {
            assert_eq!(set(cpus).to_list(), list);
            assert_eq!(CpuSet::from_list(&format!("{list}\n")), Some(set(cpus)));
        }
        assert_eq!(CpuSet::from_list("0-x"), None);
    }

    #[test]
    fn bytes_are_written_and_read() {
        let cpus = set(&[0, 9, 63]);
        assert_eq!(cpus.to_bytes(8), [1, 2, 0, 0, 0, 0, 0, 0x80]);
        assert_eq!(CpuSet::from_bytes(&cpus.to_bytes(16)), cpus);
        assert_eq!(cpus.to_bytes(1), [1], "what has no room is left out");
    }

    /// As `%*pb` writes them (Linux, lib/vsprintf.c, `bitmap_string`).
    #[test]
    fn masks_have_groups_of_eight_digits() {
        assert_eq!(set(&[0, 1]).to_mask(2), "3");
        assert_eq!(set(&[0, 5]).to_mask(6), "21");
        assert_eq!(set(&[0]).to_mask(32), "00000001");
        assert_eq!(set(&[0, 33]).to_mask(34), "2,00000001");
        assert_eq!(set(&[40, 127]).to_mask(128), "80000000,00000000,00000100,00000000");
    }

    #[test]
    fn tasks_are_spread_from_home_on() {
        let spread = |home| [0, 1, 2, 3].map(|n| set(&[2, 4, 7]).nth_after(home, n));
        assert_eq!(spread(4), [Some(4), Some(7), Some(2), Some(4)]);
        assert_eq!(spread(3), [Some(2), Some(4), Some(7), Some(2)]);
        assert_eq!(set(&[]).nth_after(0, 1), None);
    }
}
