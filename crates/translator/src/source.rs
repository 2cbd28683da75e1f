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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// It goes on right behind: the block was long enough.
    #[default]
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
    /// It is a branch that the block goes on behind.
    pub(crate) leads_on: Option<LeadsOn>,
}

/// A branch that always leads to the next instruction of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeadsOn {
    Jump,
    Call,
}

/// Code with one way through it: straight pieces, each of which leads to the next by a jump or a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) start: Addr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) pieces: Vec<AddrRange>,
    pub(crate) instructions: Vec<Decoded>,
    pub(crate) end: End,
}

/// Whether a block goes on where a jump or a call leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    OnePiece,
    Extended,
}

/// Pieces of a block at most.
const MOST_PIECES: usize = 4;

impl Block {
    /// Empties it: room for instructions is kept, since there is a block to decode every microsecond.
    fn begin(&mut self, start: Addr) {
        self.start = start;
        self.bytes.clear();
        self.pieces.clear();
        self.instructions.clear();
        self.end = End::FallsThrough;
    }

    /// Right behind its last instruction.
    pub(crate) fn behind(&self) -> Addr {
        let last = self.instructions.last();
        last.map_or(self.start, |last| Addr::new(last.instruction.next_ip()))
    }

    /// How many branches are executed on the way through it.
    pub(crate) fn branches(&self) -> u8 {
        let inner = self.instructions.iter().filter(|decoded| decoded.leads_on.is_some()).count();
        let all = inner + usize::from(matches!(self.end, End::Branch(_)));
        u8::try_from(all).unwrap_or(u8::MAX)
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

/// Decodes the block at `start`, of at most `most` instructions, in the place of what is in `block`. None if
/// nothing can be executed there from the cache.
pub(crate) fn decode(
    start: Addr,
    most: usize,
    extent: Extent,
    code: &mut dyn Code,
    block: &mut Block,
) -> Option<()> {
    block.begin(start);
    add_piece(block, start, most, code)?;
    while let End::Branch(Branch::Jump { to } | Branch::Call { to }) = block.end
        && extent == Extent::Extended
        && block.pieces.len() < MOST_PIECES
        && block.instructions.len() < most
        && !block.pieces.iter().any(|piece| piece.contains(to))
        && code.constancy(to) == Constancy::Told
    {
        let leads_on = match block.end {
            End::Branch(Branch::Call { .. }) => LeadsOn::Call,
            _ => LeadsOn::Jump,
        };
        let last = block.instructions.len() - 1;
        let room = most - block.instructions.len();
        if add_piece(block, to, room, code).is_none() {
            break;
        }
        if let Some(branch) = block.instructions.get_mut(last) {
            branch.leads_on = Some(leads_on);
        }
    }
    Some(())
}

/// Adds straight code to a block. None, and nothing is added, if there is none.
fn add_piece(block: &mut Block, at: Addr, most: usize, code: &mut dyn Code) -> Option<()> {
    let mut buffer = [0; LONGEST_BLOCK * LONGEST];
    let wanted = buffer.get_mut(..most.min(LONGEST_BLOCK) * LONGEST)?;
    let got = code.read(at, wanted);
    let there = wanted.get(..got)?;
    let mut decoder = Decoder::with_ip(64, there, at.get(), DecoderOptions::NONE);
    let mut end = End::FallsThrough;
    let mut len = 0;
    let before = block.bytes.len();
    let mut added = 0;
    while added < most && decoder.can_decode() {
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
        block.instructions.push(Decoded { instruction, offset: before + len, leads_on: None });
        added += 1;
        len += instruction.len();
        if let Some(last) = last {
            end = last;
            break;
        }
    }
    if added == 0 {
        return None;
    }
    block.bytes.extend_from_slice(there.get(..len)?);
    block.pieces.extend(AddrRange::with_len(at, len as u64));
    block.end = end;
    Some(())
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
