//! Calls whose answers are known: a task takes them from a buffer, without a stop.
//!
//! A replay knows what the next calls of a task give. At one `syscall`, which its owner names, the task compares
//! its registers with those of the next supplied call; if all are the same it takes the answer, sets the
//! clock to zero, and goes on. Else it makes the call, which stops it.

use retake_model::{Addr, Registers};

use crate::emit::Emitter;
use crate::layout::{Room, SUPPLY_LEN};
use crate::points::PointKind;
use crate::register::{Gpr, Spilled};
use crate::unit::Builder;

/// A call whose answer is known.
#[derive(Clone, Copy, Debug)]
pub struct SuppliedCall {
    /// Registers at the stop that the call would be, as the kernel has them there.
    pub before: Registers,
    /// What it gives in `rax`.
    pub result: u64,
    /// Two words of memory that it writes.
    pub output: Option<(Addr, [u64; 2])>,
}

/// Registers that must be the same. The number of the call is in `rax`.
const COMPARED: [Gpr; 14] = Gpr::PROGRAM;
const RESULT: u8 = 8 * 14;
const FLAGS: u8 = 8 * 15;
const TO: u8 = 8 * 16;
const OUTPUT: u8 = 8 * 17;
/// Bytes of a call in the buffer.
const LEN: u32 = 8 * 19;
/// So many calls fit, with the end behind them.
pub(crate) const MOST: usize = (SUPPLY_LEN / LEN - 1) as usize;

/// The buffer's bytes for `calls`.
pub(crate) fn encode(room: Room, calls: &[SuppliedCall]) -> Vec<u8> {
    let mut words: Vec<u64> = Vec::with_capacity((calls.len() + 1) * LEN as usize / 8);
    for call in calls {
        for register in COMPARED {
            let value = match register {
                Gpr::RAX => call.before.orig_rax,
                other => call.before.get(other.name()),
            };
            words.push(value.wrapping_neg());
        }
        let (to, output) = call.output.unwrap_or((Addr::new(room.nowhere().into()), [0; 2]));
        words.extend([call.result, call.before.r11, to.get(), output[0], output[1]]);
    }
    // No call has this number.
    words.push(u64::MAX.wrapping_neg());
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// How many calls were taken when the next one is at `next`.
pub(crate) fn taken(room: Room, next: u64) -> usize {
    let bytes = next.saturating_sub(room.supply().into());
    usize::try_from(bytes / u64::from(LEN)).unwrap_or(0)
}

/// Emits the taking of a call at `pc`. What follows makes the call.
pub(crate) fn emit(builder: &mut Builder<'_, '_>, pc: Addr, behind: Addr) {
    let room = builder.shared.room;
    let clobbered = Spilled::NONE.with(Gpr::RCX).with(Gpr::R11);
    builder.exactly(pc);
    let emitter = &mut builder.unit.emitter;
    emitter.store(room.slot(Gpr::RCX), Gpr::RCX);
    emitter.store(room.slot(Gpr::R11), Gpr::R11);
    builder.point(pc, clobbered, 0, PointKind::Exact);
    let emitter = &mut builder.unit.emitter;
    emitter.load(Gpr::R11, room.supply_next());
    let mut differs = Vec::new();
    for (n, register) in (0_u8..).zip(COMPARED) {
        emitter.load_near(Gpr::RCX, Gpr::R11, 8 * n);
        emitter.add_to_rcx(register);
        emitter.skip_if_rcx_is_zero(5);
        differs.push(emitter.jump_hole());
    }
    builder.between(pc, clobbered);
    let emitter = &mut builder.unit.emitter;
    take(emitter, room, behind);
    let over = emitter.jump_hole();
    let here = emitter.here();
    for hole in differs {
        emitter.fill(hole, here);
    }
    builder.point(pc, clobbered, 0, PointKind::Exact);
    let emitter = &mut builder.unit.emitter;
    emitter.load(Gpr::RCX, room.slot(Gpr::RCX));
    emitter.load(Gpr::R11, room.slot(Gpr::R11));
    builder.link(over, behind);
}

fn take(emitter: &mut Emitter, room: Room, behind: Addr) {
    emitter.load_near(Gpr::RCX, Gpr::R11, TO);
    for n in [0, 8] {
        emitter.load_near(Gpr::RAX, Gpr::R11, OUTPUT + n);
        emitter.store_near(Gpr::RCX, n, Gpr::RAX);
    }
    for word in room.clock_words() {
        emitter.clear(word);
    }
    emitter.load_near(Gpr::RAX, Gpr::R11, RESULT);
    emitter.load_near(Gpr::RCX, Gpr::R11, FLAGS);
    emitter.advance(Gpr::R11, LEN.cast_signed());
    emitter.store(room.supply_next(), Gpr::R11);
    emitter.copy(Gpr::R11, Gpr::RCX);
    emitter.set(Gpr::RCX, behind.get());
}
