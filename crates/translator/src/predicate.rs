//! Predicates as code: judged by the task itself, at a place, without a stop.
//!
//! The code uses `rax`, `rcx`, `rdx` and the flags, which are put aside before it.

use retake_model::{Addr, Arithmetic, Comparison, Predicate, RegisterName, TaskId, Term, Width};

use crate::emit::{Emitter, Hole};
use crate::layout::Room;
use crate::register::Gpr;

/// Values that are put aside at the same time, at most.
const DEEPEST: u8 = 16;

/// Whether a predicate can be judged by the task itself. Segment registers and flags are not looked at there,
/// nesting has a limit, and only constants divide: a division by zero would fault.
pub fn can_be_compiled(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Compare(_, left, right) => fits(left, 0) && fits(right, 1),
        Predicate::Task(_) => true,
        Predicate::Not(inner) => can_be_compiled(inner),
        Predicate::All(all) | Predicate::Any(all) => all.iter().all(can_be_compiled),
    }
}

fn fits(term: &Term, depth: u8) -> bool {
    match term {
        Term::Constant(_) => true,
        Term::Register(name) => *name == RegisterName::Rip || Gpr::named(*name).is_some(),
        Term::Memory(_, addr) => fits(addr, depth),
        Term::Arithmetic(operator, left, right) => {
            can_be_done(*operator, right)
                && depth + 1 < DEEPEST
                && fits(left, depth)
                && fits(right, depth + 1)
        }
    }
}

/// The last number by which signed ones are divided.
const MINUS_TWO: u64 = u64::MAX - 1;

/// Whether an operation can neither fault nor have an operand that its instruction does not take.
fn can_be_done(operator: Arithmetic, right: &Term) -> bool {
    match operator {
        Arithmetic::Divide | Arithmetic::Remainder => matches!(right, Term::Constant(1..)),
        // By minus one there may be no room for the result.
        Arithmetic::DivideSigned | Arithmetic::RemainderSigned => {
            matches!(right, Term::Constant(1..=MINUS_TWO))
        }
        Arithmetic::ShiftRightSigned => matches!(right, Term::Constant(0..64)),
        _ => true,
    }
}

/// Puts the flags aside, through `rax`.
pub(crate) fn save_flags(emitter: &mut Emitter, room: Room) {
    // `lahf`; `seto al`
    emitter.raw(&[0x9f, 0x0f, 0x90, 0xc0]);
    emitter.store(room.flags(), Gpr::RAX);
}

/// Brings them back, through `rax`.
pub(crate) fn restore_flags(emitter: &mut Emitter, room: Room) {
    emitter.load(Gpr::RAX, room.flags());
    // `add al, 127`, which overflows if `al` is 1; `sahf`
    emitter.raw(&[0x04, 0x7f, 0x9e]);
}

/// Emits a predicate at `pc`. The holes lead to where it does not hold; where it does, it goes on behind.
pub(crate) fn emit(
    emitter: &mut Emitter,
    room: Room,
    pc: Addr,
    predicate: &Predicate,
) -> Vec<Hole> {
    Compiler { emitter, room, pc }.jump_if(predicate, Sense::False)
}

/// Which outcome a jump is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    True,
    False,
}

impl Sense {
    const fn other(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
        }
    }
}

struct Compiler<'a> {
    emitter: &'a mut Emitter,
    room: Room,
    pc: Addr,
}

impl Compiler<'_> {
    /// Emits jumps that are taken when the predicate comes out so.
    fn jump_if(&mut self, predicate: &Predicate, sense: Sense) -> Vec<Hole> {
        match predicate {
            Predicate::Compare(comparison, left, right) => {
                self.values(left, right, 0);
                // `cmp rax, rcx`
                self.emitter.raw(&[0x48, 0x39, 0xc8]);
                let holds = condition(*comparison);
                // The lowest bit of a condition negates it (Intel SDM vol. 2, B.1.4.7).
                let code = if sense == Sense::True { holds } else { holds ^ 1 };
                vec![self.emitter.jump_if_hole(code)]
            }
            Predicate::Task(task) => self.jump_if_task(*task, sense),
            Predicate::Not(inner) => self.jump_if(inner, sense.other()),
            Predicate::All(all) => self.jump_if_each(all, sense, Sense::False),
            Predicate::Any(any) => self.jump_if_each(any, sense, Sense::True),
        }
    }

    /// Of a row in which the first one that comes out as `decides` decides.
    fn jump_if_each(&mut self, row: &[Predicate], sense: Sense, decides: Sense) -> Vec<Hole> {
        let mut holes = Vec::new();
        for predicate in row {
            holes.extend(self.jump_if(predicate, decides));
        }
        if sense == decides {
            return holes;
        }
        // Nothing decided: that is the other outcome.
        let taken = self.emitter.jump_hole();
        let here = self.emitter.here();
        for hole in holes {
            self.emitter.fill(hole, here);
        }
        vec![taken]
    }

    fn jump_if_task(&mut self, task: TaskId, sense: Sense) -> Vec<Hole> {
        self.emitter.load(Gpr::RAX, self.room.task());
        self.emitter.set(Gpr::RCX, task.get().into());
        self.emitter.raw(&[0x48, 0x39, 0xc8]);
        let equal = condition(Comparison::Equal);
        vec![self.emitter.jump_if_hole(if sense == Sense::True { equal } else { equal ^ 1 })]
    }

    /// Brings two values into `rax` and `rcx`.
    fn values(&mut self, left: &Term, right: &Term, depth: u8) {
        self.value(left, depth);
        if let Term::Constant(value) = right {
            self.emitter.set(Gpr::RCX, *value);
            return;
        }
        let aside = self.room.temporary(depth);
        self.emitter.store(aside, Gpr::RAX);
        self.value(right, depth + 1);
        self.emitter.copy(Gpr::RCX, Gpr::RAX);
        self.emitter.load(Gpr::RAX, aside);
    }

    /// Brings a value into `rax`.
    fn value(&mut self, term: &Term, depth: u8) {
        match term {
            Term::Constant(value) => self.emitter.set(Gpr::RAX, *value),
            Term::Register(RegisterName::Rip) => self.emitter.set(Gpr::RAX, self.pc.get()),
            Term::Register(name) => match Gpr::named(*name) {
                Some(put_aside @ (Gpr::RAX | Gpr::RCX | Gpr::RDX)) => {
                    self.emitter.load(Gpr::RAX, self.room.slot(put_aside));
                }
                Some(register) => self.emitter.copy(Gpr::RAX, register),
                None => {}
            },
            Term::Memory(width, addr) => {
                self.value(addr, depth);
                self.emitter.raw(load(*width));
            }
            Term::Arithmetic(operator, left, right) => {
                self.values(left, right, depth);
                self.emitter.raw(apply(*operator));
            }
        }
    }
}

/// The condition code of a comparison.
const fn condition(comparison: Comparison) -> u8 {
    match comparison {
        Comparison::Equal => 0x4,
        Comparison::Unequal => 0x5,
        Comparison::Below => 0x2,
        Comparison::BelowOrEqual => 0x6,
        Comparison::SignedLess => 0xc,
        Comparison::SignedLessOrEqual => 0xe,
    }
}

/// A load of `rax` from where it points to.
const fn load(width: Width) -> &'static [u8] {
    match width {
        Width::U8 => &[0x0f, 0xb6, 0x00],
        Width::U16 => &[0x0f, 0xb7, 0x00],
        Width::U32 => &[0x8b, 0x00],
        Width::U64 => &[0x48, 0x8b, 0x00],
        Width::I8 => &[0x48, 0x0f, 0xbe, 0x00],
        Width::I16 => &[0x48, 0x0f, 0xbf, 0x00],
        Width::I32 => &[0x48, 0x63, 0x00],
    }
}

/// `rax` and `rcx` together, in `rax`.
const fn apply(operator: Arithmetic) -> &'static [u8] {
    match operator {
        Arithmetic::Add => &[0x48, 0x01, 0xc8],
        Arithmetic::Subtract => &[0x48, 0x29, 0xc8],
        Arithmetic::Multiply => &[0x48, 0x0f, 0xaf, 0xc1],
        Arithmetic::And => &[0x48, 0x21, 0xc8],
        Arithmetic::Or => &[0x48, 0x09, 0xc8],
        Arithmetic::Xor => &[0x48, 0x31, 0xc8],
        // `xor edx, edx`; `div rcx`
        Arithmetic::Divide => &[0x31, 0xd2, 0x48, 0xf7, 0xf1],
        // The same, and `mov rax, rdx`
        Arithmetic::Remainder => &[0x31, 0xd2, 0x48, 0xf7, 0xf1, 0x48, 0x89, 0xd0],
        // `cqo`; `idiv rcx`
        Arithmetic::DivideSigned => &[0x48, 0x99, 0x48, 0xf7, 0xf9],
        // The same, and `mov rax, rdx`
        Arithmetic::RemainderSigned => &[0x48, 0x99, 0x48, 0xf7, 0xf9, 0x48, 0x89, 0xd0],
        // `sar rax, cl`
        Arithmetic::ShiftRightSigned => &[0x48, 0xd3, 0xf8],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(left: Term, right: Term) -> Term {
        Term::Arithmetic(Arithmetic::Add, Box::new(left), Box::new(right))
    }

    fn equal(left: Term, right: Term) -> Predicate {
        Predicate::Compare(Comparison::Equal, left, right)
    }

    #[test]
    fn what_is_nested_too_deeply_or_may_fault_is_not_compiled() {
        let one = || Term::Constant(1);
        let nested = |n: u32| (0..n).fold(one(), |inner, _| sum(one(), inner));
        assert!(can_be_compiled(&equal(nested(10), one())));
        assert!(!can_be_compiled(&equal(nested(40), one())));
        let on_the_left = (0..40).fold(one(), |inner, _| sum(inner, one()));
        assert!(can_be_compiled(&equal(on_the_left, one())));
        let by = |right| {
            let (left, right) = (Box::new(one()), Box::new(right));
            equal(Term::Arithmetic(Arithmetic::Remainder, left, right), one())
        };
        assert!(can_be_compiled(&by(Term::Constant(7))));
        assert!(!can_be_compiled(&by(Term::Constant(0))));
        let signed = |operator, right| {
            let (left, right) = (Box::new(one()), Box::new(Term::Constant(right)));
            equal(Term::Arithmetic(operator, left, right), one())
        };
        assert!(can_be_compiled(&signed(Arithmetic::DivideSigned, u64::MAX - 1)));
        assert!(!can_be_compiled(&signed(Arithmetic::DivideSigned, u64::MAX)));
        assert!(!can_be_compiled(&signed(Arithmetic::RemainderSigned, 0)));
        assert!(!can_be_compiled(&signed(Arithmetic::ShiftRightSigned, 64)));
        assert!(!can_be_compiled(&by(Term::Register(RegisterName::Rax))));
        let flags = Term::Register(RegisterName::Eflags);
        assert!(!can_be_compiled(&Predicate::Not(Box::new(equal(flags, one())))));
    }
}
