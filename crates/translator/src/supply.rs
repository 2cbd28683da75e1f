//! Calls whose answers are known: a task takes them from a buffer, without a stop.
//!
//! A replay knows what the next calls of a task give. At one `syscall`, which its owner names, the task compares
//! its registers with those of the next supplied call; if all are the same it takes the answer, sets the
//! clock to zero, and goes on. Else it makes the call, which stops it.
//!
//! With other `syscall` instructions the program asks something before a call or behind it. While calls are supplied
//! the answer is always the same.

use retake_model::{Addr, Registers};

use crate::emit::Emitter;
use crate::layout::{Room, SUPPLY_LEN};
use crate::points::PointKind;
use crate::register::{Gpr, Spilled};
use crate::unit::Builder;

/// The `syscall` instructions that answers are supplied for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuppliedAt {
    /// It makes the calls.
    pub call: Addr,
    /// With these the program asks something that is no call of its own.
    pub questions: [Addr; 2],
    /// What `rax` is after a question while calls are supplied.
    pub answer: u64,
}

impl SuppliedAt {
    pub(crate) fn all(self) -> impl Iterator<Item = Addr> {
        std::iter::once(self.call).chain(self.questions)
    }
}

/// Registers that must be the same. The number of the call is in `rax`.
const COMPARED: [Gpr; 14] = Gpr::PROGRAM;
const RESULT: u8 = 8 * 14;
const FLAGS: u8 = 8 * 15;
/// Here the descriptions of its outputs begin.
const OUTPUTS: u8 = 8 * 16;
/// A description: how many bytes, where to, and where they lie in the buffer.
const TO: u8 = 8;
const FROM: u8 = 16;
const DESCRIPTION: u8 = 24;
/// The last description has no bytes, and says where the next call is.
const NEXT: u8 = 8;
const LAST_DESCRIPTION: usize = 16;
/// What a call takes that has no outputs.
const LEAST: usize = OUTPUTS as usize + LAST_DESCRIPTION;
/// No call has this number.
const END: [u8; 8] = u64::MAX.wrapping_neg().to_le_bytes();
/// Flags that the processor sets at each call, as the kernel hands them back: the interrupt flag.
const INTERRUPTS: i32 = 0x200;

/// Whether there was room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fits {
    /// It was added.
    Yes,
    /// It was not.
    No,
}

/// Calls whose answers are known, in the order in which a task makes them.
#[derive(Debug)]
pub struct Supply {
    start: u32,
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Supply {
    /// None yet.
    pub(crate) fn new(room: Room) -> Self {
        Self { start: room.supply(), bytes: Vec::new(), ends: Vec::new() }
    }

    /// Adds a call. `before` are the registers at the stop that the call would be, as the kernel has them
    /// there; `result` is what it gives in `rax`; `outputs` is what it writes, in this order.
    pub fn push<'a>(
        &mut self,
        before: &Registers,
        result: u64,
        outputs: impl Iterator<Item = (Addr, &'a [u8])> + Clone,
    ) -> Fits {
        // One of no bytes would be the last one.
        let outputs = outputs.filter(|(_, bytes)| !bytes.is_empty());
        let lens = outputs.clone().map(|(_, bytes)| usize::from(DESCRIPTION) + bytes.len());
        let len = (LEAST + lens.sum::<usize>()).next_multiple_of(8);
        let begin = self.bytes.len();
        let end = u32::try_from(begin + len).unwrap_or(u32::MAX);
        if end > SUPPLY_LEN - 8 {
            return Fits::No;
        }
        self.bytes.reserve(len);
        let mut word = |word: u64| self.bytes.extend(word.to_le_bytes());
        for register in COMPARED {
            let value = match register {
                Gpr::RAX => before.orig_rax,
                other => before.get(other.name()),
            };
            word(value.wrapping_neg());
        }
        word(result);
        word(before.r11);
        let mut from = u64::from(self.start) + (begin + LEAST) as u64;
        from += outputs.clone().count() as u64 * u64::from(DESCRIPTION);
        for (to, bytes) in outputs.clone() {
            word(bytes.len() as u64);
            word(to.get());
            word(from);
            from += bytes.len() as u64;
        }
        word(0);
        word(u64::from(self.start) + u64::from(end));
        for (_, bytes) in outputs {
            self.bytes.extend_from_slice(bytes);
        }
        self.bytes.resize(begin + len, 0);
        self.ends.push(end);
        Fits::Yes
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The buffer's bytes.
    pub(crate) fn encode(&mut self) -> &[u8] {
        self.bytes.extend(END);
        &self.bytes
    }

    /// The bytes of an empty buffer.
    pub(crate) fn none() -> &'static [u8] {
        &END
    }

    /// How many were taken when the next one is at `next`.
    pub(crate) fn taken(&self, next: u64) -> usize {
        let offset = next.saturating_sub(self.start.into());
        self.ends.partition_point(|end| u64::from(*end) <= offset)
    }
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
    for register in [Gpr::RAX, Gpr::RSI, Gpr::RDI] {
        emitter.store(room.slot(register), register);
    }
    // What cannot be written to makes the call a stop, which writes there by other means.
    let all = clobbered.with(Gpr::RAX).with(Gpr::RSI).with(Gpr::RDI);
    builder.point(pc, all, 0, PointKind::Fallible);
    write_outputs(&mut builder.unit.emitter);
    builder.between(pc, all);
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

/// Writes what the call at `r11` writes. Afterwards `rax` is at the last description.
fn write_outputs(emitter: &mut Emitter) {
    emitter.copy(Gpr::RAX, Gpr::R11);
    emitter.advance(Gpr::RAX, OUTPUTS.into());
    let again = emitter.here();
    emitter.load_near(Gpr::RCX, Gpr::RAX, 0);
    let done = emitter.jump_if_rcx_is_zero();
    emitter.load_near(Gpr::RDI, Gpr::RAX, TO);
    emitter.load_near(Gpr::RSI, Gpr::RAX, FROM);
    // `rep movsb`: changes no flags.
    emitter.raw(&[0xf3, 0xa4]);
    emitter.advance(Gpr::RAX, DESCRIPTION.into());
    emitter.jump(again);
    let here = emitter.here();
    emitter.fill(done, here);
}

fn take(emitter: &mut Emitter, room: Room, behind: Addr) {
    emitter.load_near(Gpr::RCX, Gpr::RAX, NEXT);
    emitter.store(room.supply_next(), Gpr::RCX);
    for word in room.clock_words() {
        emitter.clear(word);
    }
    emitter.load_near(Gpr::RAX, Gpr::R11, RESULT);
    emitter.load_near(Gpr::R11, Gpr::R11, FLAGS);
    for register in [Gpr::RSI, Gpr::RDI] {
        emitter.load(register, room.slot(register));
    }
    emitter.set(Gpr::RCX, behind.get());
}

/// Emits the answer to the question at `pc`. What follows makes the call.
pub(crate) fn emit_answer(builder: &mut Builder<'_, '_>, pc: Addr, behind: Addr, answer: u64) {
    let room = builder.shared.room;
    let clobbered = Spilled::NONE.with(Gpr::RCX);
    builder.exactly(pc);
    builder.unit.emitter.store(room.slot(Gpr::RCX), Gpr::RCX);
    builder.point(pc, clobbered, 0, PointKind::Exact);
    let emitter = &mut builder.unit.emitter;
    emitter.load(Gpr::RCX, room.supply_ready());
    let makes = emitter.jump_if_rcx_is_zero();
    builder.between(pc, clobbered);
    let emitter = &mut builder.unit.emitter;
    // `lahf`; `seto al`; `movzx ecx, ah`; `movzx r11d, al`: the flags as the processor keeps them in `r11`.
    emitter.raw(&[0x9f, 0x0f, 0x90, 0xc0, 0x0f, 0xb6, 0xcc, 0x44, 0x0f, 0xb6, 0xd8]);
    // The overflow flag is bit 11: `lea r11, [r11 * 8]`, three times, and `lea r11, [r11 * 4]`.
    for scale in [0xdd, 0xdd, 0xdd, 0x9d] {
        emitter.raw(&[0x4e, 0x8d, 0x1c, scale, 0, 0, 0, 0]);
    }
    // `lea rcx, [r11 + rcx]`
    emitter.add_to_rcx(Gpr::R11);
    emitter.advance(Gpr::RCX, INTERRUPTS);
    emitter.copy(Gpr::R11, Gpr::RCX);
    emitter.set(Gpr::RAX, answer);
    emitter.set(Gpr::RCX, behind.get());
    let over = emitter.jump_hole();
    let here = emitter.here();
    emitter.fill(makes, here);
    builder.point(pc, clobbered, 0, PointKind::Exact);
    builder.unit.emitter.load(Gpr::RCX, room.slot(Gpr::RCX));
    builder.link(over, behind);
}
