//! Random pieces of code: instructions of all forms, and branches between them.

use iced_x86::{Code, Instruction, MemoryOperand, Register};

use super::bench::{DATA, LOW};
use super::forms::Maker;
use super::rng::Rng;

/// Counters of loops, away from the other data.
const COUNTERS: u64 = DATA + 0x20;

/// Where an item begins, filled in when all are laid out.
#[derive(Clone, Copy)]
struct Fix {
    /// Where the displacement or address is.
    at: usize,
    kind: FixKind,
    /// The number of the item.
    to: usize,
}

#[derive(Clone, Copy)]
enum FixKind {
    Short,
    Near,
    Whole,
}

/// What the pieces are made of.
pub(crate) struct Mix<'a> {
    pub(crate) forms: &'a [Code],
    /// Items of a piece.
    pub(crate) items: u32,
    /// One item in so many is a branch.
    pub(crate) branches: u32,
}

/// Random code, ending with a breakpoint, and where its items begin.
pub(crate) fn piece(rng: &mut Rng, at: u64, mix: &Mix<'_>) -> (Vec<u8>, Vec<u64>) {
    let items = 1 + rng.below(mix.items) as usize;
    let mut maker = Maker { rng, at, bytes: Vec::new() };
    let mut starts = Vec::new();
    let mut fixes = Vec::new();
    let mut loops = 0;
    for item in 0..items {
        starts.push(maker.here());
        if maker.rng.once_in(mix.branches) {
            branch(&mut maker, item, items, &starts, &mut loops, &mut fixes);
            continue;
        }
        let code = maker.rng.pick(mix.forms);
        while !maker.form(code) && maker.rng.below(8) > 0 {}
    }
    starts.push(maker.here());
    maker.raw(&[0xcc]);
    let mut bytes = maker.bytes;
    for Fix { at: place, kind, to } in fixes {
        let target = starts[to];
        let behind = |len: usize| target.wrapping_sub(at + (place + len) as u64);
        match kind {
            FixKind::Short => match i8::try_from(behind(1).cast_signed()) {
                Ok(short) => bytes[place] = short.cast_unsigned(),
                // To the next instruction.
                Err(_) => bytes[place] = 0,
            },
            FixKind::Near => {
                let near = (behind(4) as u32).to_le_bytes();
                bytes[place..place + 4].copy_from_slice(&near);
            }
            FixKind::Whole => bytes[place..place + 8].copy_from_slice(&target.to_le_bytes()),
        }
    }
    (bytes, starts)
}

fn branch(
    maker: &mut Maker<'_>,
    item: usize,
    items: usize,
    starts: &[u64],
    loops: &mut u64,
    fixes: &mut Vec<Fix>,
) {
    let to = item + 1 + maker.rng.below(3.min((items - item) as u32)) as usize;
    let mut near = |maker: &mut Maker<'_>, opcode: &[u8]| {
        maker.raw(opcode);
        fixes.push(Fix { at: maker.bytes.len(), kind: FixKind::Near, to });
        maker.raw(&[0; 4]);
    };
    let condition = maker.rng.below(16) as u8;
    match maker.rng.below(16) {
        0 | 1 => near(maker, &[0x0f, 0x80 | condition]),
        2 => near(maker, &[0xe9]),
        3 => near(maker, &[0xe8]),
        4 | 5 => {
            // Short ones: `jcc`, `jmp`, `loopne`, `loope`, `loop`, `jrcxz`, `jecxz`.
            let opcode = match maker.rng.below(8) {
                0..3 => 0x70 | condition,
                3 => 0xeb,
                _ => 0xe0 | maker.rng.below(4) as u8,
            };
            if opcode & 0xfc == 0xe0 && maker.rng.once_in(2) {
                let times = u64::from(maker.rng.below(3));
                maker.set(Register::RCX, times);
            }
            if opcode & 0xfc == 0xe0 && maker.rng.once_in(4) {
                maker.raw(&[0x67]);
            }
            maker.raw(&[opcode]);
            fixes.push(Fix { at: maker.bytes.len(), kind: FixKind::Short, to });
            maker.raw(&[0]);
        }
        6..9 => {
            // Back, a few times: a loop of one block or of several. Its counter was set up before.
            let from = starts[item.saturating_sub(maker.rng.below(4) as usize)];
            let counter = COUNTERS + *loops % 6 * 8;
            *loops += 1;
            let mut count = Instruction::with2(
                Code::And_rm64_imm8,
                MemoryOperand::with_base_displ(Register::RIP, counter.cast_signed()),
                3,
            )
            .unwrap();
            maker.add(&count);
            count.set_code(Code::Sub_rm64_imm8);
            count.set_immediate8to64(1);
            maker.add(&count);
            let displacement = from.wrapping_sub(maker.here() + 6) as u32;
            maker.raw(&[0x0f, 0x8f]);
            maker.raw(&displacement.to_le_bytes());
        }
        kind @ 9..16 => {
            let register = maker.gpr();
            let set = Instruction::with2(Code::Mov_r64_imm64, register, 0x1122_3344_5566_u64);
            assert!(maker.add(&set.unwrap()));
            if !maker.rng.once_in(64) {
                let at = maker.bytes.len() - 8;
                fixes.push(Fix { at, kind: FixKind::Whole, to });
            }
            indirect(maker, register, kind);
        }
        _ => {}
    }
}

/// Goes to what is in a register, in one of the ways that there are.
fn indirect(maker: &mut Maker<'_>, register: Register, kind: u32) {
    let is_call = maker.rng.once_in(2);
    match kind {
        9 | 10 => {
            let code = if is_call { Code::Call_rm64 } else { Code::Jmp_rm64 };
            assert!(maker.add(&Instruction::with1(code, register).unwrap()));
        }
        11 | 12 => {
            assert!(maker.add(&Instruction::with1(Code::Push_r64, register).unwrap()));
            match maker.rng.below(4) {
                0 => {
                    let released = maker.rng.below(3) as u8 * 8;
                    maker.raw(&[0xc2, released, 0]);
                }
                1 => maker.raw(&[0xf2, 0xc3]),
                _ => maker.raw(&[0xc3]),
            }
        }
        _ => {
            let mut operand = match maker.rng.below(5) {
                0 | 1 => MemoryOperand::with_base_displ(Register::RIP, (DATA + 0x80).cast_signed()),
                2 => MemoryOperand::with_displ(LOW + 0xff0, 8),
                3 => MemoryOperand::with_base_displ(Register::RSP, -0x40),
                _ => MemoryOperand::with_displ(0x88, 8),
            };
            if operand.base == Register::None && operand.displacement == 0x88 {
                operand.segment_prefix = Register::FS;
            }
            let store = Instruction::with2(Code::Mov_rm64_r64, operand, register).unwrap();
            assert!(maker.add(&store));
            let code = if is_call { Code::Call_rm64 } else { Code::Jmp_rm64 };
            assert!(maker.add(&Instruction::with1(code, operand).unwrap()));
        }
    }
}
