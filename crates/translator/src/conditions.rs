//! Tests that a task makes at a place, without a stop.

use retake_model::{Addr, Predicate, RegisterName};

use crate::emit::{Emitter, XmmHalf};
use crate::layout::{Counter, Room};
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
}

/// A word, and the value that it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub word: Word,
    /// What it must be.
    pub value: u64,
}

/// A test at a place: the task leaves the cache there if it has executed so many branches, or if the rest
/// holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Test {
    /// Branches since the clock was set, as [`crate::Translator::branches_from`] has them.
    pub place: Option<u64>,
    /// The rest; without it only the place counts.
    pub filter: Option<Filter>,
}

/// What must hold for a task to leave. Without any part of it the task leaves each time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that tell most come first.
    pub conditions: Vec<Condition>,
    /// What else must hold, of those that [`crate::can_be_compiled`]. Where it reads memory that is not there,
    /// the task leaves.
    pub predicate: Option<Predicate>,
    /// Counts down when all that holds; the task leaves when it comes to zero.
    pub counter: Option<Counter>,
}

impl Test {
    /// The task leaves each time.
    pub fn always() -> Self {
        Self::of(Vec::new())
    }

    /// The task leaves when these words are so.
    pub fn of(conditions: Vec<Condition>) -> Self {
        let filter = Filter { conditions, ..Filter::default() };
        Self { place: None, filter: Some(filter) }
    }
}

/// `jmp` with a displacement of 32 bits.
const JUMP_LEN: u8 = 5;

/// Emits what counts a test down. The hole leads to where the task goes on.
pub(crate) fn count_down(emitter: &mut Emitter, room: Room, counter: Counter) -> crate::emit::Hole {
    let word = room.counter(counter);
    emitter.load(Gpr::RCX, word);
    emitter.advance(Gpr::RCX, -1);
    emitter.store(word, Gpr::RCX);
    emitter.skip_if_rcx_is_zero(JUMP_LEN);
    emitter.jump_hole()
}

/// Emits what leads to where the test holds if so many branches were executed.
pub(crate) fn at_place(
    emitter: &mut Emitter,
    room: Room,
    branches: u64,
    ahead: i8,
) -> crate::emit::Hole {
    emitter.set(Gpr::RCX, branches.wrapping_add_signed(ahead.into()).wrapping_neg());
    for word in room.clock_words() {
        emitter.load(Gpr::RAX, word);
        emitter.add_to_rcx(Gpr::RAX);
    }
    emitter.jump_if_rcx_is_zero()
}

/// Emits the conditions. They need `rax` and `rcx`, which are in their slots. The holes lead to where the test
/// fails.
pub(crate) fn emit(
    emitter: &mut Emitter,
    room: Room,
    conditions: &[Condition],
) -> Vec<crate::emit::Hole> {
    let mut fails = Vec::new();
    for condition in conditions {
        // A sum of zero says that they are equal, and changes no flag.
        emitter.set(Gpr::RCX, condition.value.wrapping_neg());
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
        }
        emitter.skip_if_rcx_is_zero(JUMP_LEN);
        fails.push(emitter.jump_hole());
    }
    fails
}
