//! The instructions of one block, with what is added to them.

use iced_x86::{Instruction, OpKind};
use retake_model::Addr;

use crate::clock::{Update, touch, update};
use crate::conditions;
use crate::points::PointKind;
use crate::predicate;
use crate::register::{Gpr, Spilled};
use crate::relative::{self, Base};
use crate::source::{Block, Decoded, End, LeadsOn};
use crate::supply;
use crate::transfer::{self, Last};
use crate::unit::{Builder, Exit};

/// The two registers that tests use.
pub(crate) const PAIR: Spilled = Spilled::NONE.with(Gpr::RAX).with(Gpr::RCX);

/// Emits a block, and gives where it goes on in line.
pub(crate) fn emit(builder: &mut Builder<'_, '_>, block: &Block, last: Last) -> Option<Addr> {
    let update = update(block);
    let word = builder.shared.room.clock_word(*builder.shared.clock_words);
    if update.is_some() {
        *builder.shared.clock_words = builder.shared.clock_words.wrapping_add(1);
    }
    let base = relative::base(block, update, builder.shared.tests);
    let branches = i8::try_from(block.branches()).unwrap_or(i8::MAX);
    let mut ahead = 0_i8;
    for (n, decoded) in block.instructions.iter().enumerate() {
        let pc = Addr::new(decoded.instruction.ip());
        test(builder, pc, ahead, n);
        if let Some(base) = base.as_ref().filter(|base| base.first == n) {
            base.put_in_place(builder, pc, ahead);
        }
        let based = base.as_ref().filter(|base| base.covers(n));
        let mut kind = PointKind::Exact;
        let put_aside = based.map_or(Spilled::NONE, Base::put_aside);
        let count = Count { word, branches, ahead, put_aside };
        if let Some(after) = count.emit(builder, update, n, decoded) {
            ahead = ahead.saturating_add(branches);
            kind = after;
        }
        let is_last = n + 1 == block.instructions.len();
        let is_end = is_last && matches!(block.end, End::Branch(_) | End::Call);
        if let Some(leads_on) = decoded.leads_on {
            builder.point(pc, put_aside, ahead, kind);
            builder.note_direct(pc);
            if leads_on == LeadsOn::Call {
                transfer::push(builder, Addr::new(decoded.instruction.next_ip()));
            }
            ahead = ahead.saturating_sub(1);
        } else if !is_end {
            plain(builder, block, decoded, (ahead, kind), based);
        }
        if let Some(base) = based.filter(|base| base.last == n) {
            let next = Addr::new(decoded.instruction.next_ip());
            base.take_away(builder, next, ahead);
        }
    }
    let behind = block.behind();
    match block.end {
        End::FallsThrough => Some(behind),
        End::Outside => {
            builder.point(behind, Spilled::NONE, ahead, PointKind::Exact);
            let rax = builder.shared.room.slot(Gpr::RAX);
            builder.unit.emitter.store(rax, Gpr::RAX);
            builder.between(behind, Spilled::NONE.with(Gpr::RAX));
            builder.exit(Exit::Outside { pc: behind });
            None
        }
        End::Call => {
            let pc =
                block.instructions.last().map_or(behind, |last| Addr::new(last.instruction.ip()));
            match builder.shared.supplied_at {
                Some(at) if at.call == pc => supply::emit(builder, pc, behind),
                Some(at) if at.questions.contains(&pc) => {
                    supply::emit_answer(builder, pc, behind, at.answer);
                }
                _ => {}
            }
            builder.exactly(pc);
            // Whoever steers the task has it stop here; what follows is never executed.
            builder.unit.emitter.raw(&[0x0f, 0x05]);
            builder.point(behind, Spilled::NONE, 0, PointKind::Call);
            builder.unit.emitter.raw(&[0x0f, 0x0b, 0x90]);
            None
        }
        End::Branch(branch) => {
            let due = (update == Some(Update::Transfer)).then_some((word, branches));
            transfer::emit(builder, block, branch, (ahead, due), last)
        }
    }
}

/// Emits the test at `pc`, if there is one: the instruction of number `n` in its block.
fn test(builder: &mut Builder<'_, '_>, pc: Addr, ahead: i8, n: usize) {
    let Some(test) = builder.shared.tests.get(&pc) else { return };
    let room = builder.shared.room;
    let predicate = test.filter.as_ref().and_then(|filter| filter.predicate.as_ref());
    let used = if predicate.is_some() { PAIR.with(Gpr::RDX) } else { PAIR };
    builder.point(pc, Spilled::NONE, ahead, PointKind::Exact);
    used.iter().for_each(|register| builder.unit.emitter.store(room.slot(register), register));
    builder.point(pc, used, ahead, PointKind::Between);
    if predicate.is_some() {
        predicate::save_flags(&mut builder.unit.emitter, room);
    }
    let at = |branches| conditions::at_place(&mut builder.unit.emitter, room, branches, ahead);
    let at_place = test.place.map(at);
    let mut fails = Vec::new();
    // Where a word cannot be read, a condition does not hold, but a predicate is for whoever steers the task.
    let (mut conditions, mut judged) = (0, 0);
    match &test.filter {
        None => fails.push(builder.unit.emitter.jump_hole()),
        Some(filter) => {
            builder.point(pc, used, ahead, PointKind::Test { passed: 0 });
            conditions = builder.unit.points.len() - 1;
            fails = conditions::emit(&mut builder.unit.emitter, room, &filter.conditions);
            if let Some(predicate) = predicate {
                builder.point(pc, used, ahead, PointKind::Test { passed: 0 });
                judged = builder.unit.points.len() - 1;
                fails.extend(predicate::emit(&mut builder.unit.emitter, room, pc, predicate));
            }
            builder.point(pc, used, ahead, PointKind::Between);
            if let Some(counter) = filter.counter {
                let emitter = &mut builder.unit.emitter;
                fails.push(conditions::count_down(emitter, room, counter));
            }
        }
    }
    let holds = builder.unit.emitter.here();
    builder.unit.emitter.fill_if(at_place, holds);
    restore(builder, used, Some(Gpr::RAX));
    builder.exit(Exit::Test { pc, ahead });
    let failed = builder.unit.emitter.here();
    builder.point(pc, used, ahead, PointKind::Between);
    for hole in fails {
        builder.unit.emitter.fill(hole, failed);
    }
    restore(builder, used, None);
    builder.unit.points.set_passed(conditions, failed);
    if predicate.is_some() {
        builder.unit.points.set_passed(judged, holds);
    }
    let passed = builder.unit.emitter.here();
    if n == 0 {
        // Whoever goes on behind the test is where a block begins.
        builder.unit.passed.push((pc, passed));
    }
    builder.point(pc, Spilled::NONE, ahead, PointKind::Exact);
}

/// Emits what gives the program its flags and registers back that a test used, but for one.
fn restore(builder: &mut Builder<'_, '_>, used: Spilled, except: Option<Gpr>) {
    let room = builder.shared.room;
    let emitter = &mut builder.unit.emitter;
    if used != PAIR {
        predicate::restore_flags(emitter, room);
    }
    for register in used.iter().filter(|register| Some(*register) != except) {
        emitter.load(register, room.slot(register));
    }
}

/// An update of the clock.
struct Count {
    word: u32,
    branches: i8,
    /// How far the clock is ahead before it.
    ahead: i8,
    put_aside: Spilled,
}

impl Count {
    /// Tells the clock of the block's branches, if this is the place for it. Gives how well the state is told
    /// after that, up to the end of the instruction: what the update used is not the program's any more.
    fn emit(
        &self,
        builder: &mut Builder<'_, '_>,
        update: Option<Update>,
        n: usize,
        decoded: &Decoded,
    ) -> Option<PointKind> {
        let pc = Addr::new(decoded.instruction.ip());
        let Self { word, branches, ahead, put_aside } = *self;
        let room = builder.shared.room;
        match update {
            Some(Update::Flags { before }) if before == n => {
                builder.between(pc, put_aside);
                builder.unit.emitter.add_to(word, branches);
            }
            Some(Update::FlagsAfterTouch { before }) if before == n => {
                builder.point(pc, put_aside, ahead, PointKind::Exact);
                if let Some(touch) = touch(&decoded.instruction) {
                    builder.unit.emitter.instruction(&touch);
                }
                builder.between(pc, put_aside);
                builder.unit.emitter.add_to(word, branches);
            }
            Some(Update::Dead { before, register }) if before == n => {
                // Nothing here can fault; a stop in between goes on to the instruction, which overwrites it.
                builder.between(pc, put_aside);
                through(builder, word, register, branches);
            }
            Some(Update::Spilled { before, register }) if before == n => {
                builder.point(pc, put_aside, ahead, PointKind::Exact);
                builder.unit.emitter.store(room.slot(register), register);
                builder.between(pc, put_aside.with(register));
                through(builder, word, register, branches);
                builder.unit.emitter.load(register, room.slot(register));
                return Some(PointKind::Exact);
            }
            _ => return None,
        }
        Some(PointKind::Between)
    }
}

/// Counts branches in a clock word, through a register.
pub(crate) fn through(builder: &mut Builder<'_, '_>, word: u32, register: Gpr, branches: i8) {
    builder.unit.emitter.load(register, word);
    builder.unit.emitter.advance(register, branches.into());
    builder.unit.emitter.store(word, register);
}

/// Emits an instruction that is no branch. `put_aside` are registers that are in their slots meanwhile.
fn plain(
    builder: &mut Builder<'_, '_>,
    block: &Block,
    decoded: &Decoded,
    (ahead, kind): (i8, PointKind),
    base: Option<&Base>,
) {
    let instruction = &decoded.instruction;
    let pc = Addr::new(instruction.ip());
    let put_aside = base.map_or(Spilled::NONE, Base::put_aside);
    builder.point(pc, put_aside, ahead, kind);
    if instruction.is_ip_rel_memory_operand() {
        relative::emit(builder, instruction, ahead, base);
    } else {
        builder.unit.emitter.raw(block.bytes_of(decoded));
    }
}

/// Emits the comparison of a block's code with what it was translated from.
pub(crate) fn compare(builder: &mut Builder<'_, '_>, block: &Block) {
    let room = builder.shared.room;
    builder.exactly(block.start);
    builder.unit.emitter.store(room.slot(Gpr::RCX), Gpr::RCX);
    builder.unit.emitter.store(room.slot(Gpr::RAX), Gpr::RAX);
    // With EFLAGS.AC its words may not be read as they lie.
    builder.point(block.start, PAIR, 0, PointKind::Fallible);
    let mut differs = Vec::new();
    let mut at = block.start.get();
    for part in block.bytes.chunks(8) {
        let mut bytes = part;
        while !bytes.is_empty() {
            let emitter = &mut builder.unit.emitter;
            let len = match bytes.len() {
                8 => {
                    emitter.load_rax_far(at);
                    8
                }
                4.. => {
                    // `mov eax, [address]`
                    emitter.raw(&[0xa1]);
                    emitter.raw(&at.to_le_bytes());
                    4
                }
                _ => {
                    emitter.set(Gpr::RAX, 0);
                    // `mov al, [address]`
                    emitter.raw(&[0xa0]);
                    emitter.raw(&at.to_le_bytes());
                    1
                }
            };
            let (these, rest) = bytes.split_at(len);
            let value = these.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
            emitter.set(Gpr::RCX, value.wrapping_neg());
            emitter.add_to_rcx(Gpr::RAX);
            emitter.skip_if_rcx_is_zero(5);
            differs.push(emitter.jump_hole());
            at = at.wrapping_add(len as u64);
            bytes = rest;
        }
    }
    let over = builder.unit.emitter.jump_hole();
    let here = builder.unit.emitter.here();
    for hole in differs {
        builder.unit.emitter.fill(hole, here);
    }
    builder.unit.emitter.load(Gpr::RCX, room.slot(Gpr::RCX));
    builder.between(block.start, PAIR);
    builder.exit(Exit::Changed { pc: block.start });
    let same = builder.unit.emitter.here();
    builder.unit.emitter.fill(over, same);
    builder.point(block.start, PAIR, 0, PointKind::Exact);
    builder.unit.emitter.load(Gpr::RCX, room.slot(Gpr::RCX));
    builder.unit.emitter.load(Gpr::RAX, room.slot(Gpr::RAX));
}

/// Whether an operand of a branch is in memory.
pub(crate) fn is_through_memory(instruction: &Instruction) -> bool {
    instruction.op0_kind() == OpKind::Memory
}
