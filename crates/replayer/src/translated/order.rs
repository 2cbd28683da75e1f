//! Which words tell the wanted state from others, found out while a task passes.

use retake_model::{Addr, RegisterName, Registers};
use retake_translator::{Condition, Test, Word, XmmHalf};

/// Passes that are looked at before words are chosen.
const SAMPLES: u32 = 6;
/// So many words are tested by the task itself. The rest is compared where it stops.
const MOST_TESTED: usize = 128;

/// A word of the wanted state, and how often it was another one.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    condition: Condition,
    differed: u32,
}

/// What is known of the words of one place.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    candidates: Vec<Candidate>,
    passes: u32,
    next: u32,
}

impl Order {
    /// The wanted state: registers, words of memory, and the XSAVE area.
    pub(crate) fn new(registers: &Registers, probes: &[(Addr, u64)], vector: &[u8]) -> Self {
        let of_register = |name: RegisterName| (Word::Register(name), registers.get(name));
        let of_memory = |(addr, value): &(Addr, u64)| (Word::Memory(*addr), *value);
        let words = RegisterName::GENERAL
            .into_iter()
            .map(of_register)
            .chain(probes.iter().map(of_memory))
            .chain(xmm_words(vector));
        let candidate =
            |(word, value)| Candidate { condition: Condition { word, value }, differed: 0 };
        Self { candidates: words.map(candidate).collect(), passes: 0, next: SAMPLES }
    }

    /// The task passed, and this was its state. Gives the test to make from now on, if it is another one.
    pub(crate) fn passed(
        &mut self,
        registers: &Registers,
        vector: &[u8],
        memory: impl Fn(Addr) -> Option<u64>,
    ) -> Option<Test> {
        self.passes += 1;
        let xmm: Vec<(Word, u64)> = xmm_words(vector).collect();
        for candidate in &mut self.candidates {
            let Condition { word, value } = candidate.condition;
            let actual = match word {
                Word::Register(name) => Some(registers.get(name)),
                Word::Memory(addr) => memory(addr),
                Word::Xmm(..) => xmm.iter().find(|(w, _)| *w == word).map(|(_, value)| *value),
            };
            candidate.differed += u32::from(actual != Some(value));
        }
        if self.passes < self.next {
            return None;
        }
        self.next = self.next.saturating_mul(2);
        // Stable: registers, which cost least, stay before memory.
        self.candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.differed));
        let is_tested = |candidate: &&Candidate| {
            candidate.differed > 0 || !matches!(candidate.condition.word, Word::Xmm(..))
        };
        let tested = self.candidates.iter().filter(is_tested).take(MOST_TESTED);
        let conditions = tested.map(|candidate| candidate.condition);
        Some(Test::of(conditions.collect()))
    }
}

/// The sixteen XMM registers of an XSAVE area in halves (Intel SDM vol. 1, 13.4.2: from byte 160 on).
fn xmm_words(area: &[u8]) -> impl Iterator<Item = (Word, u64)> {
    let registers = area.get(160..416).unwrap_or_default().chunks_exact(16);
    (0_u8..).zip(registers).flat_map(|(n, bytes)| {
        let half = |half: XmmHalf, bytes: &[u8]| {
            let value = bytes.try_into().map_or(0, u64::from_le_bytes);
            (Word::Xmm(n, half), value)
        };
        let (lower, upper) = bytes.split_at(8);
        [half(XmmHalf::Lower, lower), half(XmmHalf::Upper, upper)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_most_is_tested_first() {
        let wanted = Registers { rbx: 1000, rcx: 3, ..Registers::default() };
        let probe = (Addr::new(0x2000), 77);
        let mut order = Order::new(&wanted, &[probe], &[0; 576]);
        let mut test = None;
        for n in 0..6 {
            let now = Registers { rbx: n, rcx: n % 4, ..Registers::default() };
            test = order.passed(&now, &[0; 576], |_| Some(77));
            assert_eq!(test.is_some(), n == 5);
        }
        let words: Vec<Word> =
            test.unwrap().filter.unwrap().conditions.iter().map(|c| c.word).collect();
        assert_eq!(
            words[..2],
            [Word::Register(RegisterName::Rbx), Word::Register(RegisterName::Rcx)]
        );
        assert!(words.contains(&Word::Memory(probe.0)));
        assert!(!words.iter().any(|word| matches!(word, Word::Xmm(..))));
    }
}
