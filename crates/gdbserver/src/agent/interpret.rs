//! Expressions, evaluated in a state.

use retake_execution::State;
use retake_model::{Addr, Registers, TaskId};

use super::{Code, Op, sign_extended, zero_extended};
use crate::registers::Layout;

/// An expression executes no more instructions, and has no deeper stack.
const MOST_STEPS: usize = 10_000;
const DEEPEST: usize = 256;

/// The value of an expression for a task; `None` if it has none.
pub(super) fn value(bytes: &[u8], task: TaskId, state: &dyn State, layout: &Layout) -> Option<u64> {
    let registers = state.program_registers(task).ok()?;
    let mut code = Code { bytes, at: 0 };
    let mut stack = Stack::default();
    for _ in 0..MOST_STEPS {
        match code.next()? {
            Op::End => return stack.pop(),
            Op::Goto(to) => code.at = to,
            Op::GotoIf(to) => {
                if stack.pop()? != 0 {
                    code.at = to;
                }
            }
            Op::Load(bytes) => {
                let addr = Addr::new(stack.pop()?);
                let mut word = [0; 8];
                state.read_memory(task, addr, word.get_mut(..bytes)?).ok()?;
                stack.push(u64::from_le_bytes(word))?;
            }
            Op::Register(number) => stack.push(register(number, &registers, layout)?)?,
            op => stack.apply(op)?,
        }
    }
    None
}

fn register(number: usize, registers: &Registers, layout: &Layout) -> Option<u64> {
    Some(registers.get(layout.general(number)?))
}

#[derive(Debug, Default)]
struct Stack(Vec<u64>);

impl Stack {
    fn push(&mut self, value: u64) -> Option<()> {
        (self.0.len() < DEEPEST).then(|| self.0.push(value))
    }

    fn pop(&mut self) -> Option<u64> {
        self.0.pop()
    }

    /// What needs nothing but the stack.
    fn apply(&mut self, op: Op) -> Option<()> {
        let value = match op {
            Op::Constant(value) => value,
            Op::Duplicate => *self.0.last()?,
            Op::Pick(nth) => *self.0.get(self.0.len().checked_sub(nth + 1)?)?,
            Op::Pop => return self.pop().map(|_| ()),
            Op::Swap => {
                let last = self.0.len().checked_sub(1)?;
                self.0.swap(last.checked_sub(1)?, last);
                return Some(());
            }
            Op::Rotate => {
                let third = self.0.len().checked_sub(3)?;
                self.0.get_mut(third..)?.rotate_right(1);
                return Some(());
            }
            Op::LogicalNot => u64::from(self.pop()? == 0),
            Op::BitNot => !self.pop()?,
            Op::SignExtend(bits) => sign_extended(self.pop()?, bits),
            Op::ZeroExtend(bits) => zero_extended(self.pop()?, bits),
            _ => {
                let right = self.pop()?;
                let left = self.pop()?;
                two(op, left, right)?
            }
        };
        self.push(value)
    }
}

/// Of two values.
fn two(op: Op, left: u64, right: u64) -> Option<u64> {
    let shift = u32::try_from(right).unwrap_or(u32::MAX);
    let (signed_left, signed_right) = (left.cast_signed(), right.cast_signed());
    Some(match op {
        Op::Arithmetic(operator) => operator.apply(left, right),
        Op::Compare(comparison) => u64::from(comparison.holds(left, right)),
        Op::Divide => left.checked_div(right)?,
        Op::Remainder => left.checked_rem(right)?,
        Op::DivideSigned => signed_left.checked_div(signed_right)?.cast_unsigned(),
        Op::RemainderSigned => signed_left.checked_rem(signed_right)?.cast_unsigned(),
        Op::ShiftLeft => left.checked_shl(shift).unwrap_or(0),
        Op::ShiftRight => left.checked_shr(shift).unwrap_or(0),
        Op::ShiftRightSigned => (signed_left >> shift.min(63)).cast_unsigned(),
        _ => return None,
    })
}
