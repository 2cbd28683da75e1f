//! The program's code, as it is decoded.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use retake_model::{Addr, AddrRange};

use crate::register::Gpr;

/// Instructions of a block at most.
pub(crate) const LONGEST_BLOCK: usize = 64;
/// Longest instruction (Intel SDM vol. 2, 2.3.11).
pub(crate) const LONGEST: usize = 15;

/// Whether code stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constancy {
    /// Who changes it says so ([`crate::Translator::code_changed`]).
    Told,
    /// It may change at any time: it is compared whenever it is entered.
    Compared,
}

/// The program's code, as a task finds it.
pub trait Code {
    /// Copies code from `at` on, and gives how many bytes there are: up to the first one that cannot be
    /// executed.
    fn read(&mut self, at: Addr, into: &mut [u8]) -> usize;

    /// Whether the code at `at` stays as it is.
    fn constancy(&mut self, at: Addr) -> Constancy;
}

/// What a block ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It goes on right behind: the block was long enough.
    FallsThrough,
    /// The instruction that follows cannot be executed from the cache.
    Outside,
    /// A branch, which is the last instruction.
    Branch(Branch),
    /// A `syscall`, which is the last instruction.
    Call,
}

/// A branch that can be executed from the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branch {
    Jump {
        to: Addr,
    },
    /// `condition` as in the opcode.
    JumpIf {
        condition: u8,
        to: Addr,
    },
    /// `loop`, `loope`, `loopne`, `jrcxz`, `jecxz`: a displacement of 8 bits only.
    JumpNear {
        to: Addr,
    },
    Call {
        to: Addr,
    },
    /// Through a register or memory.
    JumpIndirect,
    CallIndirect,
    /// `released` bytes of arguments are taken from the stack.
    Return {
        released: u16,
    },
}

impl Branch {
    /// Whether where it leads to is known only when it is executed.
    pub(crate) fn is_indirect(self) -> bool {
        matches!(self, Self::JumpIndirect | Self::CallIndirect | Self::Return { .. })
    }
}

/// An instruction of a block.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    pub(crate) instruction: Instruction,
    /// Where its bytes begin in the block's.
    offset: usize,
}

/// Straight code with at most one branch, at its end.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) start: Addr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) instructions: Vec<Decoded>,
    pub(crate) end: End,
}

impl Block {
    /// The code that it was made of.
    pub(crate) fn range(&self) -> Option<AddrRange> {
        AddrRange::with_len(self.start, self.bytes.len() as u64)
    }

    /// Right behind its last instruction.
    pub(crate) fn behind(&self) -> Addr {
        Addr::new(self.start.get().wrapping_add(self.bytes.len() as u64))
    }

    /// Whether an instruction names a register, or a part of it.
    pub(crate) fn names(&self, register: Gpr) -> bool {
        let is = |other: Register| Gpr::of(other) == Some(register);
        self.instructions.iter().any(|decoded| {
            let instruction = &decoded.instruction;
            (0..instruction.op_count()).any(|n| is(instruction.op_register(n)))
                || is(instruction.memory_base())
                || is(instruction.memory_index())
        })
    }

    pub(crate) fn bytes_of(&self, decoded: &Decoded) -> &[u8] {
        let end = decoded.offset + decoded.instruction.len();
        self.bytes.get(decoded.offset..end).unwrap_or_default()
    }
}

/// Decodes the block at `start`, of at most `most` instructions. None if nothing can be executed there
/// from the cache.
pub(crate) fn decode(start: Addr, most: usize, code: &mut dyn Code) -> Option<Block> {
    let mut buffer = [0; LONGEST_BLOCK * LONGEST];
    let wanted = buffer.get_mut(..most.min(LONGEST_BLOCK) * LONGEST)?;
    let got = code.read(start, wanted);
    let there = wanted.get(..got)?;
    let mut decoder = Decoder::with_ip(64, there, start.get(), DecoderOptions::NONE);
    let mut instructions = Vec::with_capacity(8);
    let mut end = End::FallsThrough;
    let mut len = 0;
    while instructions.len() < most && decoder.can_decode() {
        let instruction = decoder.decode();
        let last = match placing(&instruction) {
            Placing::Outside => {
                end = End::Outside;
                break;
            }
            Placing::Plain => None,
            Placing::Branch(branch) => Some(End::Branch(branch)),
            Placing::Call => Some(End::Call),
        };
        instructions.push(Decoded { instruction, offset: len });
        len += instruction.len();
        if let Some(last) = last {
            end = last;
            break;
        }
    }
    let bytes = there.get(..len)?.to_vec();
    (!instructions.is_empty()).then_some(Block { start, bytes, instructions, end })
}

enum Placing {
    Plain,
    Branch(Branch),
    Call,
    Outside,
}

/// What to do with an instruction.
fn placing(instruction: &Instruction) -> Placing {
    if instruction.code() == iced_x86::Code::Syscall {
        return Placing::Call;
    }
    if instruction.is_invalid() || instruction.is_privileged() || needs_its_place(instruction) {
        return Placing::Outside;
    }
    let near = instruction.op0_kind() == OpKind::NearBranch64;
    let to = Addr::new(instruction.near_branch64());
    let branch = match instruction.flow_control() {
        FlowControl::Next => return Placing::Plain,
        FlowControl::UnconditionalBranch if near => Branch::Jump { to },
        FlowControl::ConditionalBranch if near => {
            if instruction.is_jcc_short_or_near() {
                // The condition's number is in the opcode, in the order of `ConditionCode`.
                let condition = condition(instruction);
                match condition {
                    Some(condition) => Branch::JumpIf { condition, to },
                    None => return Placing::Outside,
                }
            } else {
                Branch::JumpNear { to }
            }
        }
        FlowControl::Call if near => Branch::Call { to },
        FlowControl::IndirectBranch if is_near_and_whole(instruction) => Branch::JumpIndirect,
        FlowControl::IndirectCall if is_near_and_whole(instruction) => Branch::CallIndirect,
        FlowControl::Return => match instruction.code() {
            iced_x86::Code::Retnq => Branch::Return { released: 0 },
            iced_x86::Code::Retnq_imm16 => Branch::Return { released: instruction.immediate16() },
            _ => return Placing::Outside,
        },
        _ => return Placing::Outside,
    };
    Placing::Branch(branch)
}

fn condition(instruction: &Instruction) -> Option<u8> {
    use iced_x86::ConditionCode as C;
    Some(match instruction.condition_code() {
        C::None => return None,
        C::o => 0,
        C::no => 1,
        C::b => 2,
        C::ae => 3,
        C::e => 4,
        C::ne => 5,
        C::be => 6,
        C::a => 7,
        C::s => 8,
        C::ns => 9,
        C::p => 10,
        C::np => 11,
        C::l => 12,
        C::ge => 13,
        C::le => 14,
        C::g => 15,
    })
}

fn is_near_and_whole(instruction: &Instruction) -> bool {
    use iced_x86::Code as C;
    matches!(instruction.code(), C::Jmp_rm64 | C::Call_rm64)
}

/// Whether an instruction shows where it lies in another way than by an operand relative to the program
/// counter, or answers what the recording has the answer of.
fn needs_its_place(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    let shows = matches!(
        instruction.mnemonic(),
        // The kernel, traps, and what is recorded.
        M::Sysenter | M::Rdtsc | M::Rdtscp | M::Cpuid | M::Rdpid | M::Rdpmc
            | M::Rdrand | M::Rdseed | M::Hlt
            // May set the trap flag.
            | M::Popf | M::Popfd | M::Popfq
            // These store where the last x87 instruction was (Intel SDM vol. 1, 8.1.8).
            | M::Fnstenv | M::Fstenv | M::Fnsave | M::Fsave | M::Fxsave | M::Fxsave64
            | M::Xsave | M::Xsave64 | M::Xsavec | M::Xsavec64 | M::Xsaveopt | M::Xsaveopt64
            | M::Xbegin | M::Xend | M::Xabort | M::Xtest
            | M::Umwait | M::Tpause | M::Monitor | M::Mwait | M::Monitorx | M::Mwaitx
    );
    shows
        || instruction.memory_base() == Register::EIP
        || (0..instruction.op_count()).any(|n| {
            instruction.op_kind(n) == OpKind::Register
                && instruction.op_register(n).is_segment_register()
                && !matches!(instruction.mnemonic(), M::Mov if n == 1)
        })
        || matches!(instruction.mnemonic(), M::Lss | M::Lfs | M::Lgs | M::Lds | M::Les)
}
