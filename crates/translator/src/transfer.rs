//! The branch at the end of a block.

use iced_x86::{Instruction, MemoryOperand, Register};
use retake_model::Addr;

use crate::body::{is_through_memory, through};
use crate::points::PointKind;
use crate::register::{Gpr, Spilled};
use crate::relative::low;
use crate::source::{Block, Branch};
use crate::unit::{Arrival, Builder, IndirectBranch};

/// Where a block is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// Another turn of the same loop lies behind it.
    TurnOfLoop,
    /// What it leads to lies behind it.
    Block,
}

/// The two registers that indirect transfers use: no result and no first argument is in them.
const LINK: Spilled = Spilled::NONE.with(Gpr::RCX).with(Gpr::R11);

/// A clock word, and what is still to be added to it.
type Due = Option<(u32, i8)>;

/// Emits a branch, and gives where it goes on in line. `ahead` says how far the clock is ahead.
pub(crate) fn emit(
    builder: &mut Builder<'_, '_>,
    block: &Block,
    branch: Branch,
    (ahead, due): (i8, Due),
    last: Last,
) -> Option<Addr> {
    let decoded = block.instructions.last()?;
    let instruction = &decoded.instruction;
    let pc = Addr::new(instruction.ip());
    let behind = block.behind();
    builder.point(pc, Spilled::NONE, ahead, PointKind::Exact);
    if !branch.is_indirect() {
        builder.note_direct(pc);
    }
    match branch {
        Branch::Jump { to } => in_line(builder, to),
        Branch::JumpIf { condition, .. } if last == Last::TurnOfLoop => {
            let hole = builder.unit.emitter.jump_if_hole(condition ^ 1);
            builder.link_only(hole, behind);
            None
        }
        Branch::JumpIf { condition, to } => {
            let hole = builder.unit.emitter.jump_if_hole(condition);
            builder.link(hole, to);
            in_line(builder, behind)
        }
        Branch::JumpNear { to } => {
            // The same instruction over a short jump, which leads over a long one.
            let bytes = block.bytes_of(decoded);
            let (_, opcode) = bytes.split_last()?;
            builder.unit.emitter.raw(opcode);
            builder.unit.emitter.raw(&[2]);
            builder.between(behind, Spilled::NONE);
            builder.unit.emitter.raw(&[0xeb, 5]);
            let hole = builder.unit.emitter.jump_hole();
            builder.link(hole, to);
            in_line(builder, behind)
        }
        Branch::Call { to } => {
            push(builder, behind);
            in_line(builder, to)
        }
        Branch::JumpIndirect | Branch::CallIndirect => {
            spill(builder, pc, ahead);
            target(builder, instruction);
            let mut moved = 0;
            if branch == Branch::CallIndirect {
                push(builder, behind);
                moved = -8;
            }
            dispatch(builder, IndirectBranch { pc, moved }, due);
            None
        }
        Branch::Return { released } => {
            spill(builder, pc, ahead);
            // `pop rcx`
            builder.unit.emitter.raw(&[0x59]);
            if released > 0 {
                // `lea rsp, [rsp + released]`
                builder.between(pc, LINK);
                builder.unit.emitter.raw(&[0x48, 0x8d, 0xa4, 0x24]);
                builder.unit.emitter.raw(&u32::from(released).to_le_bytes());
            }
            let moved = 8 + i64::from(released);
            dispatch(builder, IndirectBranch { pc, moved }, due);
            None
        }
    }
}

/// Goes on at `to` right here if it is new, else by a jump.
fn in_line(builder: &mut Builder<'_, '_>, to: Addr) -> Option<Addr> {
    builder.exactly(to);
    if !builder.has(to) {
        return Some(to);
    }
    let hole = builder.unit.emitter.jump_hole();
    builder.link_only(hole, to);
    None
}

/// Pushes where a call returns to, which is translated too.
pub(crate) fn push(builder: &mut Builder<'_, '_>, value: Addr) {
    builder.want(value, Arrival::Indirect);
    if let Some(low) = low(value.get()) {
        builder.unit.emitter.push(low);
        return;
    }
    let constants = builder.shared.room.constants().start;
    let offset = constants + builder.shared.constants.offset(value.get());
    let address = builder.unit.emitter.address(offset);
    builder.unit.emitter.push_from(address);
}

fn spill(builder: &mut Builder<'_, '_>, pc: Addr, ahead: i8) {
    let room = builder.shared.room;
    builder.unit.emitter.store(room.slot(Gpr::RCX), Gpr::RCX);
    builder.unit.emitter.store(room.slot(Gpr::R11), Gpr::R11);
    builder.point(pc, LINK, ahead, PointKind::Exact);
}

/// Puts where an indirect branch leads to into `rcx`.
fn target(builder: &mut Builder<'_, '_>, instruction: &Instruction) {
    if !is_through_memory(instruction) {
        match Gpr::of(instruction.op0_register()) {
            Some(Gpr::RCX) | None => {}
            Some(register) => builder.unit.emitter.copy(Gpr::RCX, register),
        }
        return;
    }
    if instruction.is_ip_rel_memory_operand() {
        builder.unit.emitter.set(Gpr::RCX, instruction.ip_rel_memory_address());
        builder.unit.emitter.follow_rcx();
        return;
    }
    let operand = MemoryOperand::new(
        instruction.memory_base(),
        instruction.memory_index(),
        instruction.memory_index_scale(),
        instruction.memory_displacement64().cast_signed(),
        instruction.memory_displ_size(),
        false,
        instruction.segment_prefix(),
    );
    let load = Instruction::with2(iced_x86::Code::Mov_r64_rm64, Register::RCX, operand);
    match load {
        Ok(load) => builder.unit.emitter.instruction(&load),
        Err(_) => builder.unit.emitter.raw(&[0x0f, 0x0b]),
    }
}

/// Leads to the code for the address in `rcx`.
fn dispatch(builder: &mut Builder<'_, '_>, branch: IndirectBranch, due: Due) {
    builder.between(branch.pc, LINK);
    builder.note_branch(branch);
    if let Some((word, branches)) = due {
        through(builder, word, Gpr::R11, branches);
    }
    // `movzx r11d, cx`
    builder.unit.emitter.raw(&[0x44, 0x0f, 0xb7, 0xd9]);
    let table = builder.shared.room.table();
    builder.unit.emitter.jump_through(table);
}
