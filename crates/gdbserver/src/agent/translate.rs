//! Expressions as predicates: executed with terms in place of values. Where the way depends on a value, both ways
//! are gone.

use retake_model::{Arithmetic, Comparison, Predicate, Term, Width};

use super::{Code, Op, sign_extended, zero_extended};
use crate::registers::Layout;

/// Expressions that are longer than this, on all their ways together, are interpreted.
const MOST_STEPS: usize = 2000;
/// So are those with larger values, which grow where a value is used twice.
const MOST_NODES: usize = 200;

/// The last number by which signed ones are divided.
const MINUS_TWO: u64 = u64::MAX - 1;

/// An expression as a predicate: that its value is not zero. `None` if no predicate can say that.
pub(super) fn predicate(bytes: &[u8], layout: &Layout) -> Option<Predicate> {
    let mut translator = Translator { layout, left: MOST_STEPS };
    translator.from(Code { bytes, at: 0 }, Vec::new())
}

/// What is on the stack.
#[derive(Clone, Debug)]
enum Value {
    Number(Term),
    /// 1 where it holds, else 0.
    Truth(Predicate),
}

struct Translator<'a> {
    layout: &'a Layout,
    left: usize,
}

impl Translator<'_> {
    /// From a place on, with a stack.
    fn from(&mut self, mut code: Code<'_>, mut stack: Vec<Value>) -> Option<Predicate> {
        loop {
            self.left = self.left.checked_sub(1)?;
            match code.next()? {
                Op::End => {
                    let result = stack.pop()?;
                    return (!stack.iter().any(Value::reads)).then(|| result.truth());
                }
                Op::Goto(to) => code.at = to,
                Op::GotoIf(to) => {
                    let condition = stack.pop()?.truth();
                    match constant(&condition) {
                        Some(true) => code.at = to,
                        Some(false) => {}
                        None => {
                            let taken = self.from(Code { at: to, ..code }, stack.clone())?;
                            let not_taken = self.from(code, stack)?;
                            return Some(either(condition, taken, not_taken));
                        }
                    }
                }
                Op::Register(number) => {
                    stack.push(Value::Number(Term::Register(self.layout.general(number)?)));
                }
                op => apply(op, &mut stack)?,
            }
            let large =
                |value: &Value| matches!(value, Value::Number(term) if nodes(term) > MOST_NODES);
            if stack.last().is_some_and(large) {
                return None;
            }
        }
    }
}

/// One of two predicates, as a third one says.
fn either(condition: Predicate, holds: Predicate, does_not: Predicate) -> Predicate {
    match (constant(&holds), constant(&does_not)) {
        (Some(true), Some(false)) => condition,
        (Some(false), Some(true)) => not(condition),
        (Some(true), _) => Predicate::Any(vec![condition, does_not]),
        (_, Some(false)) => Predicate::All(vec![condition, holds]),
        (Some(false), _) => Predicate::All(vec![not(condition), does_not]),
        (_, Some(true)) => Predicate::Any(vec![not(condition), holds]),
        _ => Predicate::Any(vec![
            Predicate::All(vec![condition.clone(), holds]),
            Predicate::All(vec![not(condition), does_not]),
        ]),
    }
}

fn not(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::Not(inner) => *inner,
        other => Predicate::Not(Box::new(other)),
    }
}

/// Whether a predicate always or never holds, where that shows.
fn constant(predicate: &Predicate) -> Option<bool> {
    match predicate {
        Predicate::Compare(comparison, Term::Constant(left), Term::Constant(right)) => {
            Some(comparison.holds(*left, *right))
        }
        Predicate::Not(inner) => constant(inner).map(|holds| !holds),
        _ => None,
    }
}

fn nodes(term: &Term) -> usize {
    match term {
        Term::Constant(_) | Term::Register(_) => 1,
        Term::Memory(_, addr) => 1 + nodes(addr),
        Term::Arithmetic(_, left, right) => 1 + nodes(left) + nodes(right),
    }
}

fn term_reads(term: &Term) -> bool {
    match term {
        Term::Constant(_) | Term::Register(_) => false,
        Term::Memory(..) => true,
        Term::Arithmetic(_, left, right) => term_reads(left) || term_reads(right),
    }
}

fn predicate_reads(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Compare(_, left, right) => term_reads(left) || term_reads(right),
        Predicate::Task(_) => false,
        Predicate::Not(inner) => predicate_reads(inner),
        Predicate::All(list) | Predicate::Any(list) => list.iter().any(predicate_reads),
    }
}

impl Value {
    /// Whether memory is read for it. Where that cannot be, the expression comes to an error: also if nobody uses the
    /// value, which a predicate would then not have in it.
    fn reads(&self) -> bool {
        match self {
            Self::Number(term) => term_reads(term),
            Self::Truth(predicate) => predicate_reads(predicate),
        }
    }

    fn truth(self) -> Predicate {
        match self {
            Self::Truth(predicate) => predicate,
            Self::Number(term) => Predicate::Compare(Comparison::Unequal, term, Term::Constant(0)),
        }
    }

    fn number(self) -> Option<Term> {
        match self {
            Self::Number(term) => Some(term),
            Self::Truth(predicate) => {
                constant(&predicate).map(|holds| Term::Constant(holds.into()))
            }
        }
    }
}

/// What needs nothing but the stack.
fn apply(op: Op, stack: &mut Vec<Value>) -> Option<()> {
    let value = match op {
        Op::Constant(value) => Value::Number(Term::Constant(value)),
        Op::Duplicate => stack.last()?.clone(),
        Op::Pick(nth) => stack.get(stack.len().checked_sub(nth + 1)?)?.clone(),
        Op::Pop => return stack.pop().filter(|value| !value.reads()).map(|_| ()),
        Op::Swap => {
            let last = stack.len().checked_sub(1)?;
            stack.swap(last.checked_sub(1)?, last);
            return Some(());
        }
        Op::Rotate => {
            let third = stack.len().checked_sub(3)?;
            stack.get_mut(third..)?.rotate_right(1);
            return Some(());
        }
        Op::LogicalNot => Value::Truth(not(stack.pop()?.truth())),
        Op::BitNot => {
            let all = Term::Constant(u64::MAX);
            Value::Number(arithmetic(Arithmetic::Xor, stack.pop()?.number()?, all))
        }
        // 0 and 1 stay what they are.
        Op::SignExtend(2..) | Op::ZeroExtend(1..)
            if matches!(stack.last(), Some(Value::Truth(_))) =>
        {
            return Some(());
        }
        Op::SignExtend(bits) => Value::Number(with_sign(stack.pop()?.number()?, bits)),
        Op::ZeroExtend(bits) => Value::Number(without_sign(stack.pop()?.number()?, bits)),
        Op::Load(bytes) => {
            let width = match bytes {
                1 => Width::U8,
                2 => Width::U16,
                4 => Width::U32,
                _ => Width::U64,
            };
            Value::Number(Term::Memory(width, Box::new(stack.pop()?.number()?)))
        }
        _ => {
            let right = stack.pop()?;
            let left = stack.pop()?;
            two(op, left, right)?
        }
    };
    stack.push(value);
    Some(())
}

fn two(op: Op, left: Value, right: Value) -> Option<Value> {
    if let (
        Op::Compare(Comparison::Equal),
        Value::Truth(truth),
        Value::Number(Term::Constant(value)),
    ) = (op, &left, &right)
    {
        return match value {
            0 => Some(Value::Truth(not(truth.clone()))),
            1 => Some(Value::Truth(truth.clone())),
            _ => None,
        };
    }
    let (left, right) = (left.number()?, right.number()?);
    Some(match op {
        Op::Arithmetic(operator) => Value::Number(arithmetic(operator, left, right)),
        Op::Compare(comparison) => Value::Truth(Predicate::Compare(comparison, left, right)),
        Op::ShiftLeft => {
            let Term::Constant(bits @ 0..64) = right else { return None };
            Value::Number(arithmetic(Arithmetic::Multiply, left, Term::Constant(1 << bits)))
        }
        Op::Divide => Value::Number(divided(Arithmetic::Divide, left, right)?),
        Op::Remainder => Value::Number(divided(Arithmetic::Remainder, left, right)?),
        Op::ShiftRight => {
            let Term::Constant(bits @ 0..64) = right else { return None };
            Value::Number(divided(Arithmetic::Divide, left, Term::Constant(1 << bits))?)
        }
        Op::DivideSigned => Value::Number(divided(Arithmetic::DivideSigned, left, right)?),
        Op::RemainderSigned => Value::Number(divided(Arithmetic::RemainderSigned, left, right)?),
        Op::ShiftRightSigned => {
            let Term::Constant(0..64) = right else { return None };
            Value::Number(arithmetic(Arithmetic::ShiftRightSigned, left, right))
        }
        _ => return None,
    })
}

fn arithmetic(operator: Arithmetic, left: Term, right: Term) -> Term {
    let value = match (&left, &right) {
        (Term::Constant(left), Term::Constant(right)) => operator.apply(*left, *right),
        _ => None,
    };
    value
        .map_or_else(|| Term::Arithmetic(operator, Box::new(left), Box::new(right)), Term::Constant)
}

/// By a number that is neither zero nor minus one: the program itself divides.
fn divided(operator: Arithmetic, left: Term, right: Term) -> Option<Term> {
    matches!(right, Term::Constant(1..=MINUS_TWO)).then(|| arithmetic(operator, left, right))
}

fn with_sign(term: Term, bits: u32) -> Term {
    match (term, bits) {
        (term, 0 | 64..) => term,
        (Term::Constant(value), _) => Term::Constant(sign_extended(value, bits)),
        (Term::Memory(Width::U8, addr), 8) => Term::Memory(Width::I8, addr),
        (Term::Memory(Width::U16, addr), 16) => Term::Memory(Width::I16, addr),
        (Term::Memory(Width::U32, addr), 32) => Term::Memory(Width::I32, addr),
        // The sign counts for minus twice what its bit would.
        (term, _) => {
            let sign = Term::Constant(1 << (bits - 1));
            let flipped = arithmetic(Arithmetic::Xor, without_sign(term, bits), sign.clone());
            arithmetic(Arithmetic::Subtract, flipped, sign)
        }
    }
}

fn without_sign(term: Term, bits: u32) -> Term {
    match term {
        term if bits >= 64 => term,
        Term::Constant(value) => Term::Constant(zero_extended(value, bits)),
        Term::Memory(width @ (Width::U8 | Width::U16 | Width::U32), addr)
            if width.bytes() * 8 <= bits as usize =>
        {
            Term::Memory(width, addr)
        }
        term => arithmetic(Arithmetic::And, term, Term::Constant(zero_extended(u64::MAX, bits))),
    }
}
