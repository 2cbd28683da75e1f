//! Classic BPF as seccomp(2) takes it: checked once, then run on each call.

use retake_abi::Errno;

/// Length of `struct seccomp_data` (linux/seccomp.h).
pub(super) const DATA_LEN: usize = 64;
/// `BPF_MAXINSNS`
pub(super) const MOST_INSTRUCTIONS: usize = 4096;
const MEMORY_WORDS: usize = 16;

/// One instruction (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

impl Instruction {
    /// Its length in memory.
    pub(super) const LEN: usize = 8;

    fn parse(bytes: [u8; Self::LEN]) -> Self {
        let [c0, c1, jt, jf, k @ ..] = bytes;
        Self { code: u16::from_le_bytes([c0, c1]), jt, jf, k: u32::from_le_bytes(k) }
    }
}

/// What an instruction does (linux/filter.h), as far as seccomp allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    LoadData(usize),
    LoadLength,
    LoadImmediate,
    LoadMemory(usize),
    LoadIndexLength,
    LoadIndexImmediate,
    LoadIndexMemory(usize),
    Store(usize),
    StoreIndex(usize),
    Arithmetic { operator: u16, by_index: bool },
    Negate,
    Jump,
    JumpIf { condition: u16, by_index: bool },
    ToIndex,
    FromIndex,
    Return { accumulator: bool },
}

const BY_INDEX: u16 = 0x08;
const ADD: u16 = 0x00;
const SUB: u16 = 0x10;
const MUL: u16 = 0x20;
const DIV: u16 = 0x30;
const OR: u16 = 0x40;
const AND: u16 = 0x50;
const LSH: u16 = 0x60;
const RSH: u16 = 0x70;
const XOR: u16 = 0xa0;
const JEQ: u16 = 0x10;
const JGT: u16 = 0x20;
const JGE: u16 = 0x30;
const JSET: u16 = 0x40;

fn operation(instruction: Instruction) -> Option<Operation> {
    let Instruction { code, k, .. } = instruction;
    let word = || usize::try_from(k).ok().filter(|&at| at < MEMORY_WORDS);
    let by_index = code & BY_INDEX != 0;
    Some(match code {
        0x20 => {
            let at = usize::try_from(k).ok()?;
            Operation::LoadData(Some(at).filter(|at| at % 4 == 0 && *at < DATA_LEN)?)
        }
        0x80 => Operation::LoadLength,
        0x00 => Operation::LoadImmediate,
        0x60 => Operation::LoadMemory(word()?),
        0x81 => Operation::LoadIndexLength,
        0x01 => Operation::LoadIndexImmediate,
        0x61 => Operation::LoadIndexMemory(word()?),
        0x02 => Operation::Store(word()?),
        0x03 => Operation::StoreIndex(word()?),
        0x84 => Operation::Negate,
        0x05 => Operation::Jump,
        0x07 => Operation::ToIndex,
        0x87 => Operation::FromIndex,
        0x06 => Operation::Return { accumulator: false },
        0x16 => Operation::Return { accumulator: true },
        _ => match (code & 0x07, code & 0xf0) {
            (0x04, operator @ (ADD | SUB | MUL | OR | AND | XOR)) => {
                Operation::Arithmetic { operator, by_index }
            }
            (0x04, DIV) if by_index || k != 0 => Operation::Arithmetic { operator: DIV, by_index },
            (0x04, operator @ (LSH | RSH)) if by_index || k < 32 => {
                Operation::Arithmetic { operator, by_index }
            }
            (0x05, condition @ (JEQ | JGT | JGE | JSET)) => {
                Operation::JumpIf { condition, by_index }
            }
            _ => return None,
        },
    })
}

/// A program that ends whatever it is run on: jumps lead forward, and the last instruction returns.
#[derive(Clone, Debug)]
pub(super) struct Program {
    steps: Vec<(Operation, Instruction)>,
}

impl Program {
    /// Checks what the program gave to the kernel.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Errno> {
        let parsed: Option<Vec<_>> = bytes
            .as_chunks::<{ Instruction::LEN }>()
            .0
            .iter()
            .map(|&chunk| {
                let instruction = Instruction::parse(chunk);
                Some((operation(instruction)?, instruction))
            })
            .collect();
        let steps = parsed.ok_or(Errno::EINVAL)?;
        let len = steps.len();
        let lands = |at: usize, by: u32| {
            usize::try_from(by)
                .ok()
                .and_then(|by| (at + 1).checked_add(by))
                .is_some_and(|to| to < len)
        };
        let good =
            |(at, (operation, instruction)): (usize, &(Operation, Instruction))| match operation {
                Operation::Jump => lands(at, instruction.k),
                Operation::JumpIf { .. } => {
                    lands(at, instruction.jt.into()) && lands(at, instruction.jf.into())
                }
                _ => true,
            };
        let returns = matches!(steps.last(), Some((Operation::Return { .. }, _)));
        if returns && len <= MOST_INSTRUCTIONS && steps.iter().enumerate().all(good) {
            Ok(Self { steps })
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// How many instructions it has.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// What it returns for a call.
    pub(super) fn run(&self, data: &[u8; DATA_LEN]) -> u32 {
        let (mut a, mut x) = (0_u32, 0_u32);
        let mut memory = [0_u32; MEMORY_WORDS];
        let length = u32::try_from(DATA_LEN).unwrap_or(0);
        let word = |memory: &[u32; MEMORY_WORDS], at: usize| memory.get(at).copied().unwrap_or(0);
        let mut at = 0;
        while let Some(&(operation, Instruction { jt, jf, k, .. })) = self.steps.get(at) {
            at += 1;
            match operation {
                Operation::LoadData(from) => {
                    let bytes = data.get(from..from + 4).and_then(|bytes| bytes.try_into().ok());
                    a = bytes.map_or(0, u32::from_le_bytes);
                }
                Operation::LoadLength => a = length,
                Operation::LoadImmediate => a = k,
                Operation::LoadMemory(from) => a = word(&memory, from),
                Operation::LoadIndexLength => x = length,
                Operation::LoadIndexImmediate => x = k,
                Operation::LoadIndexMemory(from) => x = word(&memory, from),
                Operation::Store(to) => {
                    memory.get_mut(to).into_iter().for_each(|word| *word = a);
                }
                Operation::StoreIndex(to) => {
                    memory.get_mut(to).into_iter().for_each(|word| *word = x);
                }
                Operation::Arithmetic { operator, by_index } => {
                    let by = if by_index { x } else { k };
                    a = match compute(operator, a, by) {
                        Some(result) => result,
                        // Division by an index of 0 ends the program (Documentation/bpf).
                        None => return 0,
                    };
                }
                Operation::Negate => a = a.wrapping_neg(),
                Operation::Jump => at += usize::try_from(k).unwrap_or(usize::MAX),
                Operation::JumpIf { condition, by_index } => {
                    let with = if by_index { x } else { k };
                    let holds = match condition {
                        JEQ => a == with,
                        JGT => a > with,
                        JGE => a >= with,
                        _ => a & with != 0,
                    };
                    at += usize::from(if holds { jt } else { jf });
                }
                Operation::ToIndex => x = a,
                Operation::FromIndex => a = x,
                Operation::Return { accumulator } => return if accumulator { a } else { k },
            }
        }
        0
    }
}

fn compute(operator: u16, a: u32, by: u32) -> Option<u32> {
    Some(match operator {
        ADD => a.wrapping_add(by),
        SUB => a.wrapping_sub(by),
        MUL => a.wrapping_mul(by),
        DIV => a.checked_div(by)?,
        OR => a | by,
        AND => a & by,
        LSH => a.checked_shl(by).unwrap_or(0),
        RSH => a.checked_shr(by).unwrap_or(0),
        _ => a ^ by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(steps: &[(u16, u8, u8, u32)]) -> Result<Program, Errno> {
        let bytes: Vec<u8> = steps
            .iter()
            .flat_map(|&(code, jt, jf, k)| {
                [&code.to_le_bytes()[..], &[jt, jf], &k.to_le_bytes()].concat()
            })
            .collect();
        Program::parse(&bytes)
    }

    #[test]
    fn judges_by_number_and_argument() {
        // Call 39 with 7 in the low half of its first argument gives 5, with others 6; all else 9.
        let steps = [
            (0x20, 0, 0, 0),
            (0x15, 0, 4, 39),
            (0x20, 0, 0, 16),
            (0x15, 0, 1, 7),
            (0x06, 0, 0, 5),
            (0x06, 0, 0, 6),
            (0x06, 0, 0, 9),
        ];
        let program = program(&steps).expect("valid");
        let mut data = [0; DATA_LEN];
        assert_eq!(program.run(&data), 9);
        data[0] = 39;
        assert_eq!(program.run(&data), 6);
        data[16] = 7;
        assert_eq!(program.run(&data), 5);
    }

    #[test]
    fn computes() {
        let run = |steps: &[(u16, u8, u8, u32)]| program(steps).expect("valid").run(&[0; DATA_LEN]);
        // (3 << 4 | 5) ^ 1, by way of a memory word and the index.
        let steps = [
            (0x00, 0, 0, 3),
            (0x64, 0, 0, 4),
            (0x44, 0, 0, 5),
            (0x02, 0, 0, 15),
            (0x61, 0, 0, 15),
            (0x00, 0, 0, 1),
            (0xac, 0, 0, 0),
            (0x16, 0, 0, 0),
        ];
        assert_eq!(run(&steps), 52);
        // Division by an index of 0.
        assert_eq!(run(&[(0x00, 0, 0, 3), (0x3c, 0, 0, 0), (0x06, 0, 0, 7)]), 0);
    }

    #[test]
    fn refuses_what_the_kernel_refuses() {
        let bad: [&[(u16, u8, u8, u32)]; 8] = [
            &[],
            &[(0x00, 0, 0, 0)],
            &[(0x05, 0, 0, 1), (0x06, 0, 0, 0)],
            &[(0x15, 0, 1, 0), (0x06, 0, 0, 0)],
            &[(0x20, 0, 0, 2), (0x06, 0, 0, 0)],
            &[(0x20, 0, 0, 64), (0x06, 0, 0, 0)],
            &[(0x34, 0, 0, 0), (0x06, 0, 0, 0)],
            &[(0x02, 0, 0, 16), (0x06, 0, 0, 0)],
        ];
        for steps in bad {
            assert_eq!(program(steps).err(), Some(Errno::EINVAL), "{steps:?}");
        }
    }
}
