//! The value of an expression.

use retake_model::Addr;

use super::{Binary, Expr, ExprError, Int, Names, Unary};
use crate::DebugError;

/// The value of an expression. Comparisons give 1 or 0; `&&` and `||` look at their right side
/// only when it matters.
///
/// # Errors
/// When a name has no value, memory is not mapped, or a calculation overflows.
pub fn evaluate(expr: &Expr, names: &mut dyn Names) -> Result<i128, DebugError> {
    match expr {
        Expr::Number(value) => Ok(*value),
        Expr::Name(name) => names.value(name),
        Expr::Hits(breakpoint) => {
            let breakpoint = evaluate(breakpoint, names)?;
            names.hits(breakpoint)
        }
        Expr::Unary(operator, operand) => {
            let value = evaluate(operand, names)?;
            match operator {
                Unary::Minus => Ok(value.checked_neg().ok_or(ExprError::Overflow)?),
                Unary::Not => Ok(i128::from(value == 0)),
                Unary::Complement => Ok(!value),
            }
        }
        Expr::Cast(int, operand) => Ok(int.wrap(evaluate(operand, names)?)),
        Expr::Read(int, operand) => {
            let addr = evaluate_address(operand, names)?;
            read(*int, addr, names)
        }
        Expr::Binary(Binary::And, left, right) => {
            Ok(i128::from(evaluate(left, names)? != 0 && evaluate(right, names)? != 0))
        }
        Expr::Binary(Binary::Or, left, right) => {
            Ok(i128::from(evaluate(left, names)? != 0 || evaluate(right, names)? != 0))
        }
        Expr::Binary(operator, left, right) => {
            let (left, right) = (evaluate(left, names)?, evaluate(right, names)?);
            Ok(apply(*operator, left, right)?)
        }
    }
}

/// The value of an expression, as an address.
pub(crate) fn evaluate_address(expr: &Expr, names: &mut dyn Names) -> Result<Addr, DebugError> {
    let value = evaluate(expr, names)?;
    let raw = u64::try_from(value).map_err(|_| ExprError::NotAnAddress(value))?;
    Ok(Addr::new(raw))
}

fn read(int: Int, addr: Addr, names: &mut dyn Names) -> Result<i128, DebugError> {
    let mut bytes = [0; 16];
    if let Some(out) = bytes.get_mut(..int.bytes) {
        names.read(addr, out)?;
    }
    Ok(int.wrap(i128::from_le_bytes(bytes)))
}

fn apply(operator: Binary, left: i128, right: i128) -> Result<i128, ExprError> {
    let value = match operator {
        Binary::Or => Some(i128::from(left != 0 || right != 0)),
        Binary::And => Some(i128::from(left != 0 && right != 0)),
        Binary::Equal => Some(i128::from(left == right)),
        Binary::Unequal => Some(i128::from(left != right)),
        Binary::Less => Some(i128::from(left < right)),
        Binary::LessOrEqual => Some(i128::from(left <= right)),
        Binary::Greater => Some(i128::from(left > right)),
        Binary::GreaterOrEqual => Some(i128::from(left >= right)),
        Binary::Add => left.checked_add(right),
        Binary::Subtract => left.checked_sub(right),
        Binary::Multiply => left.checked_mul(right),
        Binary::Divide | Binary::Remainder if right == 0 => return Err(ExprError::DivisionByZero),
        Binary::Divide => left.checked_div(right),
        Binary::Remainder => left.checked_rem(right),
        Binary::BitAnd => Some(left & right),
        Binary::BitOr => Some(left | right),
        Binary::BitXor => Some(left ^ right),
        Binary::ShiftLeft => shift_left(left, bits(right)?),
        Binary::ShiftRight => Some(left >> bits(right)?.min(127)),
    };
    value.ok_or(ExprError::Overflow)
}

/// By how many bits a value is to be shifted.
fn bits(by: i128) -> Result<u32, ExprError> {
    match by {
        ..0 => Err(ExprError::NegativeShift(by)),
        _ => Ok(u32::try_from(by).unwrap_or(u32::MAX)),
    }
}

fn shift_left(value: i128, bits: u32) -> Option<i128> {
    match bits {
        _ if value == 0 => Some(0),
        0..=126 => value.checked_mul(1 << bits),
        _ => None,
    }
}
