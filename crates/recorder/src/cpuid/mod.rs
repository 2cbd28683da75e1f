//! What programs see of the processor: `cpuid` is answered here.
//!
//! Answers are events, so that a recording does not depend on the processor it is replayed on. And the
//! features are hidden whose results no recorder can see: random numbers (RDRAND, RDSEED),
//! transactions (HLE, RTM), waiting for a moment (WAITPKG), and saves whose image depends on
//! interrupts (XSAVEOPT).

mod answering;
pub(crate) mod loader;
mod reach;

use std::collections::BTreeMap;

use retake_model::Registers;
use retake_ptrace::{CpuidAnswer, cpuid};
use retake_recording::Machine;
use retake_tracee::Answer;

/// A bit of an answer that programs must not see (Intel SDM vol. 2, CPUID).
struct Hidden {
    leaf: u32,
    subleaf: u32,
    mask: CpuidAnswer,
}

const NOTHING: CpuidAnswer = CpuidAnswer { eax: 0, ebx: 0, ecx: 0, edx: 0 };

const HIDDEN: [Hidden; 3] = [
    // RDRAND
    Hidden { leaf: 1, subleaf: 0, mask: CpuidAnswer { ecx: 1 << 30, ..NOTHING } },
    // HLE, RTM, RDSEED; WAITPKG
    Hidden {
        leaf: 7,
        subleaf: 0,
        mask: CpuidAnswer { ebx: 1 << 4 | 1 << 11 | 1 << 18, ecx: 1 << 5, ..NOTHING },
    },
    // XSAVEOPT
    Hidden { leaf: 0xd, subleaf: 1, mask: CpuidAnswer { eax: 1, ..NOTHING } },
];

/// So many answers are remembered. There are some hundred; a program may ask for any number of others.
const MOST_KNOWN: usize = 1024;

/// The answers of the processor that all tasks run on. Each is asked for once: under a hypervisor `cpuid` leaves the
/// virtual machine, and in a thread that traps it a signal comes on top. A loader executes it 60 times in each new image.
#[derive(Debug, Default)]
pub(crate) struct Processor {
    known: BTreeMap<(u32, u32), CpuidAnswer>,
}

/// Whether ecx says which of several answers of a leaf is wanted. In doubt it does. (Whoever asks for one of these
/// leaves has anything there; Intel SDM vol. 2, AMD APM vol. 3, CPUID.)
fn has_subleaves(leaf: u32) -> bool {
    !matches!(leaf, 0..=2 | 0x8000_0000..=0x8000_0008)
}

/// CPUs that the program is told of, where that is not the machine's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Topology {
    pub(super) count: u32,
    /// The CPU that the task is told to be on.
    pub(super) cpu: u32,
}

impl Topology {
    /// One package of so many cores with one thread each (Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E).
    fn told(self, leaf: u32, subleaf: u32, answer: CpuidAnswer) -> CpuidAnswer {
        const THREADS: u32 = 1 << 8;
        const CORES: u32 = 2 << 8;
        let Self { count, cpu } = self;
        let bits = u32::BITS - count.saturating_sub(1).leading_zeros();
        match (leaf, subleaf) {
            (1, _) => CpuidAnswer {
                ebx: answer.ebx & 0xffff | count.min(0xff) << 16 | cpu << 24,
                edx: answer.edx & !(1 << 28) | u32::from(count > 1) << 28,
                ..answer
            },
            // Of the caches only the last one is shared.
            (4, _) if answer.eax & 0x1f != 0 => {
                let shared = if answer.eax >> 5 & 7 >= 3 { count - 1 } else { 0 };
                let eax = answer.eax & 0x3fff | shared.min(0xfff) << 14;
                CpuidAnswer { eax: eax | (count - 1).min(0x3f) << 26, ..answer }
            }
            (0xb | 0x1f, 0) => CpuidAnswer { eax: 0, ebx: 1, ecx: THREADS, edx: cpu },
            (0xb | 0x1f, 1) => CpuidAnswer { eax: bits, ebx: count, ecx: 1 | CORES, edx: cpu },
            (0xb | 0x1f, _) => CpuidAnswer { eax: 0, ebx: 0, ecx: subleaf & 0xff, edx: cpu },
            (0x8000_0008, _) if answer.ecx != 0 => {
                CpuidAnswer { ecx: bits << 12 | (count - 1).min(0xff), ..answer }
            }
            _ => answer,
        }
    }
}

impl Processor {
    fn true_answer(&mut self, leaf: u32, subleaf: u32) -> CpuidAnswer {
        let subleaf = if has_subleaves(leaf) { subleaf } else { 0 };
        if let Some(known) = self.known.get(&(leaf, subleaf)) {
            return *known;
        }
        let answer = cpuid(leaf, subleaf);
        if self.known.len() < MOST_KNOWN {
            self.known.insert((leaf, subleaf), answer);
        }
        answer
    }

    /// What a program gets for a leaf.
    fn answer(&mut self, leaf: u32, subleaf: u32) -> CpuidAnswer {
        let true_answer = self.true_answer(leaf, subleaf);
        // The subleaf means nothing for leaf 1.
        let hidden = HIDDEN.iter().find(|h| h.leaf == leaf && (h.subleaf == subleaf || leaf == 1));
        let mask = hidden.map_or(NOTHING, |hidden| hidden.mask);
        CpuidAnswer {
            eax: true_answer.eax & !mask.eax,
            ebx: true_answer.ebx & !mask.ebx,
            ecx: true_answer.ecx & !mask.ecx,
            edx: true_answer.edx & !mask.edx,
        }
    }

    /// Registers after a `cpuid` at these.
    pub(crate) fn executed(
        &mut self,
        registers: &Registers,
        topology: Option<Topology>,
    ) -> Registers {
        const LEN: u64 = 2;
        #[expect(clippy::cast_possible_truncation, reason = "cpuid looks at the lower halves")]
        let (leaf, subleaf) = (registers.rax as u32, registers.rcx as u32);
        let answer = self.answer(leaf, subleaf);
        let answer = topology.map_or(answer, |topology| topology.told(leaf, subleaf, answer));
        Registers {
            rip: registers.rip.wrapping_add(LEN),
            rax: answer.eax.into(),
            rbx: answer.ebx.into(),
            rcx: answer.ecx.into(),
            rdx: answer.edx.into(),
            ..*registers
        }
    }

    /// What programs get, as far as it is known.
    fn answers(&mut self) -> Vec<Answer> {
        let known: Vec<_> = self.known.keys().copied().collect();
        let one = |(leaf, subleaf)| Answer {
            leaf,
            subleaf: has_subleaves(leaf).then_some(subleaf),
            answer: self.answer(leaf, subleaf),
        };
        known.into_iter().map(one).collect()
    }

    /// The machine, for the manifest.
    pub(crate) fn machine(&mut self, cpu: usize, cpuid_trapped: bool) -> Machine {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Machine {
            kernel: kernel.trim().to_owned(),
            cpuid: retake_ptrace::cpuid_table(|leaf, subleaf| self.true_answer(leaf, subleaf)),
            cpu: Some(cpu),
            xsave_size: self.true_answer(0xd, 0).ebx,
            cpuid_trapped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_hidden() {
        let mut processor = Processor::default();
        let registers =
            Registers { rax: 0xffff_ffff_0000_0001, rcx: 7, rip: 0x1000, ..Registers::default() };
        let after = processor.executed(&registers, None);
        assert_eq!(after.rip, 0x1002);
        assert_eq!(after.rcx & 1 << 30, 0, "RDRAND");
        assert_eq!(after.rcx | 1 << 30, u64::from(cpuid(1, 7).ecx) | 1 << 30, "and nothing else");
        let after = processor.executed(&Registers { rax: 7, ..Registers::default() }, None);
        assert_eq!(after.rbx & (1 << 18 | 1 << 11 | 1 << 4), 0, "RDSEED, RTM, HLE");
    }

    #[test]
    fn the_processor_is_asked_once() {
        let mut processor = Processor::default();
        let leaf_0 = Registers::default();
        processor.executed(&leaf_0, None);
        let said = CpuidAnswer { eax: 1, ebx: 2, ecx: 3, edx: 4 };
        processor.known.insert((0, 0), said);
        assert_eq!(processor.executed(&leaf_0, None).rbx, 2);
        let garbage = Registers { rcx: 0x6c65_746e, ..leaf_0 };
        assert_eq!(processor.executed(&garbage, None).rbx, 2, "ecx means nothing there");
        let table = processor.machine(0, true).cpuid;
        assert_eq!(table.first(), Some(&[0, 0, 1, 2, 3, 4]), "the manifest has what programs get");
        for leaf in 0..2 * MOST_KNOWN as u64 {
            processor.executed(&Registers { rax: leaf, ..Registers::default() }, None);
        }
        assert_eq!(processor.known.len(), MOST_KNOWN);
    }

    #[test]
    fn another_number_of_cpus_is_told() {
        let topology = Topology { count: 6, cpu: 5 };
        let told = |leaf, subleaf, answer| topology.told(leaf, subleaf, answer);
        let first = told(1, 0, CpuidAnswer { ebx: 0x0102_0800, ..NOTHING });
        assert_eq!((first.ebx, first.edx), (0x0506_0800, 1 << 28));
        let cores = told(0xb, 1, NOTHING);
        assert_eq!((cores.eax, cores.ebx, cores.edx), (3, 6, 5));
        assert_eq!(told(4, 0, CpuidAnswer { eax: 0x21, ..NOTHING }).eax, 5 << 26 | 0x21);
        assert_eq!(told(4, 3, CpuidAnswer { eax: 0x63, ..NOTHING }).eax, 5 << 26 | 5 << 14 | 0x63);
        assert_eq!(told(7, 0, NOTHING), NOTHING);
    }
}
