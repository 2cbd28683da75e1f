//! Conditions on a task's state that can be judged inside the running program.
//!
//! All values are 64 bits; arithmetic wraps. Whoever makes a [`Predicate`] from an expression with other
//! rules sees to it that both mean the same.

use serde::{Deserialize, Serialize};

use crate::{Addr, RegisterName, Registers, TaskId};

/// A value of 64 bits, computed from a task's state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Term {
    /// A number.
    Constant(u64),
    /// A general register.
    Register(RegisterName),
    /// A word of memory at an address.
    Memory(Width, Box<Term>),
    /// Two values together.
    Arithmetic(Arithmetic, Box<Term>, Box<Term>),
}

/// How a word of memory becomes a value of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Width {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
}

impl Width {
    /// How many bytes are read.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 => 4,
            Self::U64 => 8,
        }
    }

    /// The value of `raw`, of which the lowest [`Self::bytes`] bytes count.
    pub const fn extend(self, raw: u64) -> u64 {
        let unused = match self {
            Self::U8 | Self::I8 => 56,
            Self::U16 | Self::I16 => 48,
            Self::U32 | Self::I32 => 32,
            Self::U64 => 0,
        };
        let high = raw << unused;
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => high >> unused,
            Self::I8 | Self::I16 | Self::I32 => (high.cast_signed() >> unused).cast_unsigned(),
        }
    }
}

/// Arithmetic modulo 2⁶⁴, without signs where the name says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    And,
    Or,
    Xor,
    Divide,
    Remainder,
    DivideSigned,
    RemainderSigned,
    /// By 63 bits at most: what shifts by more leaves only the sign.
    ShiftRightSigned,
}

impl Arithmetic {
    /// The result; `None` of a division by zero, and of one whose result has no room.
    pub const fn apply(self, left: u64, right: u64) -> Option<u64> {
        Some(match self {
            Self::Add => left.wrapping_add(right),
            Self::Subtract => left.wrapping_sub(right),
            Self::Multiply => left.wrapping_mul(right),
            Self::And => left & right,
            Self::Or => left | right,
            Self::Xor => left ^ right,
            Self::Divide => return left.checked_div(right),
            Self::Remainder => return left.checked_rem(right),
            Self::DivideSigned => match left.cast_signed().checked_div(right.cast_signed()) {
                Some(result) => result.cast_unsigned(),
                None => return None,
            },
            Self::RemainderSigned => match left.cast_signed().checked_rem(right.cast_signed()) {
                Some(result) => result.cast_unsigned(),
                None => return None,
            },
            Self::ShiftRightSigned => {
                let bits = if right < 63 { right } else { 63 };
                (left.cast_signed() >> bits).cast_unsigned()
            }
        })
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Equal,
    Unequal,
    Below,
    BelowOrEqual,
    SignedLess,
    SignedLessOrEqual,
}

impl Comparison {
    /// Whether it holds.
    pub const fn holds(self, left: u64, right: u64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Below => left < right,
            Self::BelowOrEqual => left <= right,
            Self::SignedLess => left.cast_signed() < right.cast_signed(),
            Self::SignedLessOrEqual => left.cast_signed() <= right.cast_signed(),
        }
    }
}

/// A condition on a task's state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Predicate {
    /// Two values compare so.
    Compare(Comparison, Term, Term),
    /// This task runs.
    Task(TaskId),
    /// Not so.
    Not(Box<Predicate>),
    /// All hold; what follows one that does not is not looked at.
    All(Vec<Predicate>),
    /// One holds; what follows that is not looked at.
    Any(Vec<Predicate>),
}

/// A task's state, as far as predicates look at it.
pub trait Judged {
    /// Which task it is.
    fn task(&self) -> TaskId;
    /// Its registers.
    fn registers(&self) -> &Registers;
    /// Fills `out` from its memory; false if that is not all mapped.
    fn read(&self, addr: Addr, out: &mut [u8]) -> bool;
}

impl Term {
    /// The value in a state; none if memory is not there, and of a division by zero.
    pub fn evaluate(&self, state: &dyn Judged) -> Option<u64> {
        Some(match self {
            Self::Constant(value) => *value,
            Self::Register(name) => state.registers().get(*name),
            Self::Memory(width, addr) => {
                let addr = Addr::new(addr.evaluate(state)?);
                let mut bytes = [0; 8];
                let read = bytes.get_mut(..width.bytes())?;
                if !state.read(addr, read) {
                    return None;
                }
                width.extend(u64::from_le_bytes(bytes))
            }
            Self::Arithmetic(operator, left, right) => {
                operator.apply(left.evaluate(state)?, right.evaluate(state)?)?
            }
        })
    }
}

impl Predicate {
    /// Whether it holds in a state; none if memory is not there, and of a division by zero.
    pub fn evaluate(&self, state: &dyn Judged) -> Option<bool> {
        Some(match self {
            Self::Compare(comparison, left, right) => {
                comparison.holds(left.evaluate(state)?, right.evaluate(state)?)
            }
            Self::Task(task) => state.task() == *task,
            Self::Not(inner) => !inner.evaluate(state)?,
            Self::All(all) => {
                for predicate in all {
                    if !predicate.evaluate(state)? {
                        return Some(false);
                    }
                }
                true
            }
            Self::Any(any) => {
                for predicate in any {
                    if predicate.evaluate(state)? {
                        return Some(true);
                    }
                }
                false
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Registers);

    impl Judged for Fixed {
        fn task(&self) -> TaskId {
            TaskId::new(3)
        }

        fn registers(&self) -> &Registers {
            &self.0
        }

        fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
            out.fill(0xfe);
            addr == Addr::new(0x1008)
        }
    }

    fn state() -> Fixed {
        Fixed(Registers { rsp: 0x1000, rax: u64::MAX, ..Registers::default() })
    }

    fn memory(width: Width, above: u64) -> Term {
        let sp = Box::new(Term::Register(RegisterName::Rsp));
        let addr = Term::Arithmetic(Arithmetic::Add, sp, Box::new(Term::Constant(above)));
        Term::Memory(width, Box::new(addr))
    }

    #[test]
    fn signs_count_where_the_name_says_so() {
        let minus = |n: u64| n.wrapping_neg();
        assert_eq!(Arithmetic::DivideSigned.apply(minus(7), 2), Some(minus(3)));
        assert_eq!(Arithmetic::RemainderSigned.apply(minus(7), 2), Some(minus(1)));
        assert_eq!(Arithmetic::DivideSigned.apply(1 << 63, minus(1)), None);
        assert_eq!(Arithmetic::DivideSigned.apply(1, 0), None);
        assert_eq!(Arithmetic::ShiftRightSigned.apply(minus(8), 2), Some(minus(2)));
        assert_eq!(Arithmetic::ShiftRightSigned.apply(minus(8), 1000), Some(minus(1)));
    }

    #[test]
    fn words_are_extended_as_their_type_says() {
        let value = |width| memory(width, 8).evaluate(&state()).unwrap();
        assert_eq!(value(Width::U8), 0xfe);
        assert_eq!(value(Width::I8), 2_u64.wrapping_neg());
        assert_eq!(value(Width::U32), 0xfefe_fefe);
        assert_eq!(value(Width::I32), 0xffff_ffff_fefe_fefe);
        assert_eq!(memory(Width::U64, 16).evaluate(&state()), None, "not mapped");
    }

    #[test]
    fn what_is_not_looked_at_need_not_be_there() {
        let compare = |c, l, r| Predicate::Compare(c, l, Term::Constant(r));
        let rax = || Term::Register(RegisterName::Rax);
        let missing = compare(Comparison::Equal, memory(Width::U8, 0), 1);
        let below = compare(Comparison::Below, rax(), 5);
        let signed = compare(Comparison::SignedLess, rax(), 5);
        let holds = |predicate: Predicate| predicate.evaluate(&state());
        assert_eq!(holds(Predicate::All(vec![below.clone(), missing.clone()])), Some(false));
        assert_eq!(holds(Predicate::Any(vec![signed.clone(), missing.clone()])), Some(true));
        assert_eq!(holds(Predicate::All(vec![signed, missing])), None);
        assert_eq!(holds(Predicate::Not(Box::new(below))), Some(true));
        assert_eq!(holds(Predicate::Task(TaskId::new(3))), Some(true));
    }
}
