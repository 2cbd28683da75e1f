//! Tests that a task makes at a place, without a stop.

use retake_model::{Addr, RegisterName};

use crate::emit::{Emitter, XmmHalf};
use crate::layout::Room;
use crate::register::Gpr;

/// A word of a task's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// A general register.
    Register(RegisterName),
    /// Eight bytes of memory.
    Memory(Addr),
    /// Half of one of the sixteen first vector registers.
    Xmm(u8, XmmHalf),
    /// How many branches were executed, as [`crate::Translator::branches_from`] has it.
    Branches,
}

/// A word, and the value that it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub word: Word,
    /// What it must be.
    pub value: u64,
}

/// A test at a place: the task leaves the cache there if all conditions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Test {
    /// Those that tell most come first. Without any, the task leaves each time it comes there.
    pub conditions: Vec<Condition>,
}

/// `jmp` with a displacement of 32 bits.
const JUMP_LEN: u8 = 5;

/// Emits the conditions. They need `rax` and `rcx`, which are in their slots. The holes lead to where the test
/// fails.
pub(crate) fn emit(
    emitter: &mut Emitter,
    room: Room,
    test: &Test,
    ahead: i8,
) -> Vec<crate::emit::Hole> {
    let mut fails = Vec::new();
    for condition in &test.conditions {
        // A sum of zero says that they are equal, and changes no flag.
        let shown = match condition.word {
            Word::Branches => condition.value.wrapping_add_signed(ahead.into()),
            _ => condition.value,
        };
        emitter.set(Gpr::RCX, shown.wrapping_neg());
        match condition.word {
            Word::Register(name) => match Gpr::named(name) {
                Some(register @ (Gpr::RAX | Gpr::RCX)) => {
                    emitter.load(Gpr::RAX, room.slot(register));
                    emitter.add_to_rcx(Gpr::RAX);
                }
                Some(register) => emitter.add_to_rcx(register),
                // Others are not looked at here.
                None => continue,
            },
            Word::Memory(addr) => {
                emitter.load_rax_far(addr.get());
                emitter.add_to_rcx(Gpr::RAX);
            }
            Word::Xmm(register, half) => {
                emitter.rax_from_xmm(register & 15, half);
                emitter.add_to_rcx(Gpr::RAX);
            }
            Word::Branches => {
                for word in room.clock_words() {
                    emitter.load(Gpr::RAX, word);
                    emitter.add_to_rcx(Gpr::RAX);
                }
            }
        }
        emitter.skip_if_rcx_is_zero(JUMP_LEN);
        fails.push(emitter.jump_hole());
    }
    fails
}
