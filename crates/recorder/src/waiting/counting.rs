//! Loops that look at memory so many times before they do something else, such as those of OpenMP's barriers.
//!
//! Each turn leaves all as it was but for a counter. That a task waits in such a loop is not certain: it would leave the
//! loop by itself, mostly to wait in the kernel. But its `pause` (Intel SDM vol. 2, PAUSE) says that it wants others to
//! go first.

use retake_model::{Addr, Registers};
use retake_tracee::Glance;

use super::code::Step;

/// So many instructions such a loop has at most.
const MOST_STEPS: usize = 24;
/// And so many counters.
const MOST_COUNTERS: u32 = 2;

/// What has to be the same after a turn of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turns {
    /// All registers.
    Same,
    /// All but counters.
    Counted,
}

/// Registers that count: bit n is the n-th of [`Registers::to_array`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters(u32);

impl Counters {
    /// Those that lead from `before` to `after`; nothing if anything else is different.
    pub(super) fn between(before: &Registers, after: &Registers) -> Option<Self> {
        let flags = |registers: &Registers| Registers { eflags: 0, ..*registers };
        let pairs = flags(before).to_array().into_iter().zip(flags(after).to_array());
        let differ = pairs.enumerate().filter(|(_, (before, after))| before != after);
        let counters = Self(differ.map(|(n, _)| 1 << n).sum());
        let rest = counters.hidden(&flags(before));
        let can_count = rest == counters.hidden(&flags(after))
            && before.rsp == after.rsp
            && before.rip == after.rip
            && before.orig_rax == after.orig_rax
            && (before.fs_base, before.gs_base) == (after.fs_base, after.gs_base);
        (can_count && counters.0.count_ones() <= MOST_COUNTERS).then_some(counters)
    }

    /// The registers without them.
    pub(super) fn hidden(self, registers: &Registers) -> Registers {
        let mut words = registers.to_array();
        for (n, word) in words.iter_mut().enumerate() {
            if self.0 >> n & 1 == 1 {
                *word = 0;
            }
        }
        Registers::from_array(words)
    }
}

/// Whether the code around `pc` is a short loop with a `pause` in it.
pub(super) fn pauses(memory: &Glance<'_>, pc: Addr) -> bool {
    let mut at = pc;
    let mut has_pause = false;
    for _ in 0..MOST_STEPS {
        let Some(step) = Step::read(memory, at) else { return false };
        has_pause |= step.is_pause();
        match step.next() {
            Some(next) if next == pc => return has_pause,
            Some(next) => at = next,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use retake_model::Tid;
    use retake_ptrace::ProcessMemory;

    use super::*;

    #[test]
    fn a_counter_or_two_may_differ() {
        let before = Registers { rax: 1, rbx: 2, rcx: 3, eflags: 0x246, ..Registers::default() };
        let between = |after: Registers| Counters::between(&before, &after);
        assert_eq!(between(Registers { eflags: 0x202, ..before }), Some(Counters::default()));
        let counted = Registers { rax: 2, rbx: 1, ..before };
        let counters = between(counted).unwrap();
        assert_eq!(counters.hidden(&before), counters.hidden(&counted));
        assert_ne!(counters.hidden(&before), counters.hidden(&Registers { rcx: 4, ..before }));
        assert_eq!(between(Registers { rcx: 9, ..counted }), None, "three");
        assert_eq!(between(Registers { rsp: 8, ..before }), None, "the stack does not count");
    }

    #[test]
    fn a_short_loop_with_a_pause() {
        let own = ProcessMemory::new(Tid::new(std::process::id().cast_signed()));
        let pauses = |code: &[u8], at: u64| {
            let code = code.to_vec();
            pauses(&Glance::of_still(&own), Addr::new(code.as_ptr().addr() as u64 + at))
        };
        // pause; add rax, 1; cmp rax, rsi; je +9; mov ecx, [rdi]; cmp edx, ecx; je back.
        let barrier = [
            0xf3, 0x90, 0x48, 0x83, 0xc0, 1, 0x48, 0x39, 0xf0, 0x74, 0x15, 0x8b, 0x0f, 0x39, 0xca,
            0x74, 0xef,
        ];
        assert!(pauses(&barrier, 0) && pauses(&barrier, 11));
        let without = [0x90, 0x90, 0x48, 0x83, 0xc0, 1, 0x75, 0xf8];
        assert!(!pauses(&without, 0));
        assert!(!pauses(&[0xf3, 0x90, 0xc3], 0), "a return");
    }
}
