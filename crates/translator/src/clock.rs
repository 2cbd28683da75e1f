//! Where in a block the clock is told of its branches.
//!
//! The update must change no flag and no register that anyone sees, also where a later instruction of the
//! block faults: what is dead on the straight way is alive in a signal frame.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use crate::register::Gpr;
use crate::source::{Block, End};

/// How a block's branch is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// By an `add` before the instruction of this number, which sets all flags and cannot fault.
    Flags { before: usize },
    /// Like that, but the instruction reads memory. Its reading is done first, by itself: if it faults, then
    /// there.
    FlagsAfterTouch { before: usize },
    /// Through a register that the instruction of this number gives a new value, without a fault.
    Dead { before: usize, register: Gpr },
    /// Within the transfer at the end, which has a register to spare.
    Transfer,
    /// Through a register that is put aside for it, before the instruction of this number.
    Spilled { before: usize, register: Gpr },
}

/// The cheapest update that a block has a place for. None if it has no branch.
pub(crate) fn update(block: &Block) -> Option<Update> {
    if block.branches() == 0 {
        return None;
    }
    let numbered = || block.instructions.iter().map(|decoded| &decoded.instruction).enumerate();
    if let Some((before, _)) = numbered().find(|(_, i)| sets_all_flags(i) && !has_memory(i)) {
        return Some(Update::Flags { before });
    }
    let dead = |(before, instruction)| {
        overwritten(instruction).map(|register| Update::Dead { before, register })
    };
    if let Some(update) = numbered().find_map(dead) {
        return Some(update);
    }
    if matches!(block.end, End::Branch(branch) if branch.is_indirect()) {
        return Some(Update::Transfer);
    }
    if let Some((before, _)) = numbered().find(|(_, i)| touch(i).is_some()) {
        return Some(Update::FlagsAfterTouch { before });
    }
    let register = unused(block);
    // A register that the block does not name is best put aside early: it is back when it is used.
    Some(Update::Spilled { before: 0, register })
}

/// The instruction that reads what `instruction` reads and changes nothing but the flags, all of which
/// `instruction` sets.
pub(crate) fn touch(instruction: &Instruction) -> Option<Instruction> {
    use iced_x86::Code as C;
    if instruction.is_ip_rel_memory_operand() || instruction.has_lock_prefix() {
        return None;
    }
    let code = match instruction.code() {
        code if matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test) => code,
        C::Add_r64_rm64 | C::Sub_r64_rm64 | C::And_r64_rm64 | C::Or_r64_rm64 | C::Xor_r64_rm64 => {
            C::Cmp_r64_rm64
        }
        C::Add_r32_rm32 | C::Sub_r32_rm32 | C::And_r32_rm32 | C::Or_r32_rm32 | C::Xor_r32_rm32 => {
            C::Cmp_r32_rm32
        }
        _ => return None,
    };
    let mut touch = *instruction;
    touch.set_code(code);
    has_memory(instruction).then_some(touch)
}

/// Whether an instruction sets all six arithmetic flags and reads none. The logical ones leave AF undefined
/// by the manual; processors clear it.
fn sets_all_flags(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    let sets = matches!(
        instruction.mnemonic(),
        M::Add | M::Sub | M::Cmp | M::And | M::Or | M::Xor | M::Test | M::Neg | M::Popcnt
    );
    sets && !instruction.has_lock_prefix()
}

fn has_memory(instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|n| instruction.op_kind(n) == OpKind::Memory)
}

/// The register that an instruction writes in full without reading it or anything in memory.
fn overwritten(instruction: &Instruction) -> Option<Gpr> {
    use Mnemonic as M;
    let plain = matches!(instruction.mnemonic(), M::Mov | M::Lea | M::Movzx | M::Movsx | M::Movsxd);
    let to = instruction.op0_register();
    let whole = to.is_gpr64() || to.is_gpr32();
    if !plain || instruction.op0_kind() != OpKind::Register || !whole {
        return None;
    }
    let to = Gpr::of(to)?;
    let reads = |register: Register| Gpr::of(register) == Some(to);
    let from = match instruction.op1_kind() {
        OpKind::Memory if instruction.mnemonic() == M::Lea => {
            reads(instruction.memory_base()) || reads(instruction.memory_index())
        }
        OpKind::Memory => return None,
        OpKind::Register => {
            let from = instruction.op1_register();
            reads(from) || Gpr::of(from).is_none()
        }
        _ => false,
    };
    (!from && to.iced() != Register::RSP).then_some(to)
}

/// A register that the instructions of a block do not name, if there is one.
fn unused(block: &Block) -> Gpr {
    let mut from_behind = Gpr::SPARE.into_iter().rev();
    from_behind.find(|register| !block.names(*register)).unwrap_or(Gpr::R11)
}

#[cfg(test)]
mod tests {
    use retake_model::Addr;

    use super::*;
    use crate::source::{Code, Constancy, Extent, decode};

    struct Bytes(&'static [u8]);

    impl Code for Bytes {
        fn read(&mut self, _: Addr, into: &mut [u8]) -> usize {
            let len = self.0.len().min(into.len());
            into[..len].copy_from_slice(&self.0[..len]);
            len
        }

        fn constancy(&mut self, _: Addr) -> Constancy {
            Constancy::Told
        }
    }

    fn update_in(bytes: &'static [u8]) -> Option<Update> {
        let mut block = Block::default();
        let start = Addr::new(0x1000);
        decode(start, 64, Extent::OnePiece, &mut Bytes(bytes), &mut block).expect("a block");
        update(&block)
    }

    #[test]
    fn the_cheapest_place_is_taken() {
        // mov [rdi], rax; cmp rax, rdx; jne
        let flags = &[0x48, 0x89, 0x07, 0x48, 0x39, 0xd0, 0x75, 0xf0];
        assert_eq!(update_in(flags), Some(Update::Flags { before: 1 }));
        // mov eax, 5; jmp
        let dead = &[0xb8, 5, 0, 0, 0, 0xeb, 0];
        assert_eq!(update_in(dead), Some(Update::Dead { before: 0, register: Gpr::RAX }));
        // cmp byte [rdi], 0; je
        let touch = &[0x80, 0x3f, 0, 0x74, 0];
        assert_eq!(update_in(touch), Some(Update::FlagsAfterTouch { before: 0 }));
        // add [rdi], eax; je
        let changes = &[0x01, 0x07, 0x74, 0];
        assert!(matches!(update_in(changes), Some(Update::Spilled { .. })));
        assert_eq!(update_in(&[0xc3]), Some(Update::Transfer), "ret");
        // mov eax, [rdi]; lea rax, [rax+1]; adc eax, edx; jne
        let reads = &[0x8b, 0x07, 0x48, 0x8d, 0x40, 1, 0x11, 0xd0, 0x75, 0];
        assert!(matches!(update_in(reads), Some(Update::Spilled { .. })));
        assert_eq!(update_in(&[0x90, 0x0f, 0x05]), None, "no branch");
    }
}
