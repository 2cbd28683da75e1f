//! Byte code, read an instruction at a time.

use retake_model::{Arithmetic, Comparison};

/// An instruction. Those that trace, print, compute with floating point or use variables of the agent are not
/// among them: conditions of breakpoints do not have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Arithmetic(Arithmetic),
    Compare(Comparison),
    DivideSigned,
    Divide,
    RemainderSigned,
    Remainder,
    ShiftLeft,
    ShiftRightSigned,
    ShiftRight,
    LogicalNot,
    BitNot,
    SignExtend(u32),
    ZeroExtend(u32),
    /// So many bytes of memory.
    Load(usize),
    GotoIf(usize),
    Goto(usize),
    Constant(u64),
    Register(usize),
    End,
    Duplicate,
    Pop,
    Swap,
    Pick(usize),
    Rotate,
}

/// Byte code, and a place in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl Code<'_> {
    /// The instruction here; `None` if it is not known, or there is none.
    pub(super) fn next(&mut self) -> Option<Op> {
        let [byte] = self.take::<1>()?;
        Some(match byte {
            0x02 => Op::Arithmetic(Arithmetic::Add),
            0x03 => Op::Arithmetic(Arithmetic::Subtract),
            0x04 => Op::Arithmetic(Arithmetic::Multiply),
            0x05 => Op::DivideSigned,
            0x06 => Op::Divide,
            0x07 => Op::RemainderSigned,
            0x08 => Op::Remainder,
            0x09 => Op::ShiftLeft,
            0x0a => Op::ShiftRightSigned,
            0x0b => Op::ShiftRight,
            0x0e => Op::LogicalNot,
            0x0f => Op::Arithmetic(Arithmetic::And),
            0x10 => Op::Arithmetic(Arithmetic::Or),
            0x11 => Op::Arithmetic(Arithmetic::Xor),
            0x12 => Op::BitNot,
            0x13 => Op::Compare(Comparison::Equal),
            0x14 => Op::Compare(Comparison::SignedLess),
            0x15 => Op::Compare(Comparison::Below),
            0x16 => Op::SignExtend(u32::from(u8::from_be_bytes(self.take()?))),
            0x17 => Op::Load(1),
            0x18 => Op::Load(2),
            0x19 => Op::Load(4),
            0x1a => Op::Load(8),
            0x20 => Op::GotoIf(usize::from(u16::from_be_bytes(self.take()?))),
            0x21 => Op::Goto(usize::from(u16::from_be_bytes(self.take()?))),
            0x22 => Op::Constant(u64::from(u8::from_be_bytes(self.take()?))),
            0x23 => Op::Constant(u64::from(u16::from_be_bytes(self.take()?))),
            0x24 => Op::Constant(u64::from(u32::from_be_bytes(self.take()?))),
            0x25 => Op::Constant(u64::from_be_bytes(self.take()?)),
            0x26 => Op::Register(usize::from(u16::from_be_bytes(self.take()?))),
            0x27 => Op::End,
            0x28 => Op::Duplicate,
            0x29 => Op::Pop,
            0x2a => Op::ZeroExtend(u32::from(u8::from_be_bytes(self.take()?))),
            0x2b => Op::Swap,
            0x32 => Op::Pick(usize::from(u8::from_be_bytes(self.take()?))),
            0x33 => Op::Rotate,
            _ => return None,
        })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*bytes)
    }
}
