//! Memory operands relative to the program counter: the cache lies elsewhere, mostly out of reach.

use std::collections::BTreeMap;

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register};
use retake_model::{Addr, AddrRange};

use crate::clock::Update;
use crate::conditions::Test;
use crate::points::PointKind;
use crate::register::{Gpr, Spilled};
use crate::source::Block;
use crate::unit::Builder;

/// A register that holds an address while several instructions of a block use what lies near it. The block
/// does not use that register otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    register: Gpr,
    address: u64,
    /// The numbers of the first and the last instruction that use it.
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Base {
    pub(crate) fn covers(&self, n: usize) -> bool {
        (self.first..=self.last).contains(&n)
    }

    /// The register is in its slot meanwhile.
    pub(crate) fn put_aside(&self) -> Spilled {
        Spilled::NONE.with(self.register)
    }

    pub(crate) fn put_in_place(&self, builder: &mut Builder<'_, '_>, pc: Addr, ahead: i8) {
        let slot = builder.shared.room.slot(self.register);
        builder.point(pc, Spilled::NONE, ahead, PointKind::Exact);
        builder.unit.emitter.store(slot, self.register);
        builder.point(pc, self.put_aside(), ahead, PointKind::Exact);
        builder.unit.emitter.set(self.register, self.address);
    }

    pub(crate) fn take_away(&self, builder: &mut Builder<'_, '_>, next: Addr, ahead: i8) {
        let slot = builder.shared.room.slot(self.register);
        builder.point(next, self.put_aside(), ahead, PointKind::Exact);
        builder.unit.emitter.load(self.register, slot);
    }
}

/// The base of a block, if that saves anything.
pub(crate) fn base(
    block: &Block,
    update: Option<Update>,
    tests: &BTreeMap<Addr, Test>,
) -> Option<Base> {
    let needs = |instruction: &Instruction| {
        instruction.is_ip_rel_memory_operand()
            && !instruction.is_jcc_short_or_near()
            && instruction.flow_control() == iced_x86::FlowControl::Next
            && direct(instruction).is_none()
            && !takes_no_rex(instruction)
    };
    let mut users =
        block.instructions.iter().enumerate().filter(|(_, decoded)| needs(&decoded.instruction));
    let (first, decoded) = users.next()?;
    let (last, _) = users.next_back()?;
    let address = decoded.instruction.ip_rel_memory_address();
    let reached = |n: usize| {
        let decoded = block.instructions.get(n);
        decoded.is_none_or(|decoded| {
            let other = decoded.instruction.ip_rel_memory_address();
            !needs(&decoded.instruction) || displacement(address, other).is_some()
        })
    };
    let in_piece = |piece: &AddrRange| tests.range(piece.start()..piece.end()).next().is_some();
    let tested = block.pieces.iter().any(in_piece);
    if tested || !(first..=last).all(reached) {
        return None;
    }
    // No instruction uses these without naming them.
    let register = Gpr::UNIMPLIED.into_iter().find(|register| {
        let taken = matches!(update, Some(Update::Spilled { register: r, .. }) if r == *register);
        !taken && !block.names(*register)
    })?;
    Some(Base { register, address, first, last })
}

/// An address below 2 GiB, which instructions reach by itself: 32 bits are sign-extended (Intel SDM vol. 2, 2.2.1.3).
pub(crate) fn low(address: u64) -> Option<i32> {
    i32::try_from(address).ok()
}

fn displacement(base: u64, address: u64) -> Option<i32> {
    i32::try_from(address.wrapping_sub(base).cast_signed()).ok()
}

/// Emits an instruction with an operand relative to the program counter. Its point is there already.
pub(crate) fn emit(
    builder: &mut Builder<'_, '_>,
    instruction: &Instruction,
    ahead: i8,
    base: Option<&Base>,
) {
    let address = instruction.ip_rel_memory_address();
    if let Some(direct) = direct(instruction) {
        match direct {
            Direct::Address(register, address) => builder.unit.emitter.set(register, address),
            Direct::Accumulator(opcode) => {
                builder.unit.emitter.raw(opcode);
                builder.unit.emitter.raw(&address.to_le_bytes());
            }
            Direct::Low(address) => with_base(builder, instruction, Register::None, address),
        }
        return;
    }
    if let Some(base) = base.filter(|_| !takes_no_rex(instruction))
        && let Some(displacement) = displacement(base.address, address)
    {
        with_base(builder, instruction, base.register.iced(), displacement);
        return;
    }
    let pc = Addr::new(instruction.ip());
    let put_aside = base.map_or(Spilled::NONE, Base::put_aside);
    let loaded = loaded(instruction);
    let register = loaded.unwrap_or_else(|| spare(instruction, base));
    let slot = builder.shared.room.slot(register);
    builder.unit.emitter.store(slot, register);
    let spilled = put_aside.with(register);
    builder.point(pc, spilled, ahead, PointKind::Exact);
    builder.unit.emitter.set(register, address);
    with_base(builder, instruction, register.iced(), 0);
    if loaded.is_none() {
        let next = Addr::new(instruction.next_ip());
        builder.point(next, spilled, ahead, PointKind::Exact);
        builder.unit.emitter.load(register, slot);
    }
}

/// Emits an instruction with its operand relative to `base` instead, or to nothing.
fn with_base(
    builder: &mut Builder<'_, '_>,
    instruction: &Instruction,
    base: Register,
    displacement: i32,
) {
    let mut moved = *instruction;
    moved.set_memory_base(base);
    moved.set_memory_index(Register::None);
    moved.set_memory_displacement64(i64::from(displacement).cast_unsigned());
    let needs_none = displacement == 0 && base != Register::None;
    moved.set_memory_displ_size(if needs_none { 0 } else { 8 });
    builder.unit.emitter.instruction(&moved);
}

/// What needs no register for the address.
enum Direct {
    /// `lea`: the register, and the address.
    Address(Gpr, u64),
    /// A move between memory and the accumulator: an address of 64 bits follows the opcode.
    Accumulator(&'static [u8]),
    /// An address below 2 GiB.
    Low(i32),
}

fn direct(instruction: &Instruction) -> Option<Direct> {
    use iced_x86::Code as C;
    let (to, from) = (instruction.op0_register(), instruction.op1_register());
    let address = instruction.ip_rel_memory_address();
    let is_lea = instruction.mnemonic() == Mnemonic::Lea;
    if !is_lea && let Some(low) = low(address) {
        return Some(Direct::Low(low));
    }
    if instruction.has_segment_prefix() {
        return None;
    }
    let opcode: &'static [u8] = match instruction.code() {
        C::Lea_r64_m => return Some(Direct::Address(Gpr::of(to)?, address)),
        C::Lea_r32_m => {
            return Some(Direct::Address(Gpr::of(to)?, address & u64::from(u32::MAX)));
        }
        C::Mov_r64_rm64 if to == Register::RAX => &[0x48, 0xa1],
        C::Mov_r32_rm32 if to == Register::EAX => &[0xa1],
        C::Mov_r8_rm8 if to == Register::AL => &[0xa0],
        C::Mov_rm64_r64 if from == Register::RAX => &[0x48, 0xa3],
        C::Mov_rm32_r32 if from == Register::EAX => &[0xa3],
        C::Mov_rm8_r8 if from == Register::AL => &[0xa2],
        _ => return None,
    };
    Some(Direct::Accumulator(opcode))
}

/// The register that a load gives a new value in full: it can hold the address until then.
fn loaded(instruction: &Instruction) -> Option<Gpr> {
    use Mnemonic as M;
    let loads = matches!(instruction.mnemonic(), M::Mov | M::Movzx | M::Movsx | M::Movsxd);
    let to = instruction.op0_register();
    let whole = instruction.op0_kind() == OpKind::Register && (to.is_gpr64() || to.is_gpr32());
    if loads && whole { Gpr::of(to) } else { None }
}

/// Whether an operand is one of `ah` to `bh`, which instructions with a REX prefix cannot name.
fn takes_no_rex(instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|n| {
        matches!(
            instruction.op_register(n),
            Register::AH | Register::BH | Register::CH | Register::DH
        )
    })
}

/// A register that an instruction neither names nor uses without naming it.
fn spare(instruction: &Instruction, base: Option<&Base>) -> Gpr {
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_registers();
    let is_used = |register: Gpr| {
        base.is_some_and(|base| base.register == register)
            || used.iter().any(|used| Gpr::of(used.register()) == Some(register))
    };
    // Those that come first go with `ah` to `bh`, too.
    Gpr::SPARE.into_iter().find(|register| !is_used(*register)).unwrap_or(Gpr::R11)
}
