//! Calculations with two sides.

use retake_values::{Kind, PointerForm, Scalar, Value};

use super::eval::of_value;
use super::{Binary, Datum, ExprError, Names};
use crate::DebugError;

/// What an operator makes of two values.
pub(super) fn combine(
    operator: Binary,
    left: &Datum,
    right: &Datum,
    names: &dyn Names,
) -> Result<Datum, DebugError> {
    let space = names.space();
    let is_text = |datum: &Datum| matches!(datum, Datum::Text(_));
    if is_text(left) || is_text(right) {
        let text = |datum: &Datum| {
            datum.text(space).ok_or_else(|| ExprError::Value("it is no text".to_owned()))
        };
        let ordering = text(left)?.cmp(&text(right)?);
        let holds = compared(operator, Some(ordering));
        return holds
            .map(|holds| Datum::Number(i128::from(holds)))
            .ok_or_else(|| ExprError::Value("texts can only be compared".to_owned()).into());
    }
    if let Some(moved) = pointer_arithmetic(operator, left, right, names)? {
        return Ok(moved);
    }
    match (left.scalar(space)?, right.scalar(space)?) {
        (Scalar::Int(left), Scalar::Int(right)) => Ok(Datum::Number(apply(operator, left, right)?)),
        (left, right) => {
            let (left, right) = (widened(left), widened(right));
            if let Some(holds) = compared(operator, left.partial_cmp(&right)) {
                return Ok(Datum::Number(i128::from(holds)));
            }
            Ok(Datum::Float(match operator {
                Binary::Add => left + right,
                Binary::Subtract => left - right,
                Binary::Multiply => left * right,
                Binary::Divide => left / right,
                Binary::Remainder => left % right,
                _ => return Err(ExprError::NotAnInteger.into()),
            }))
        }
    }
}

/// What a comparison says of an order; none if it is no comparison. What has no order is unequal.
fn compared(operator: Binary, order: Option<std::cmp::Ordering>) -> Option<bool> {
    use std::cmp::Ordering;
    Some(match operator {
        Binary::Equal => order == Some(Ordering::Equal),
        Binary::Unequal => order != Some(Ordering::Equal),
        Binary::Less => order == Some(Ordering::Less),
        Binary::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Binary::Greater => order == Some(Ordering::Greater),
        Binary::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        _ => return None,
    })
}

/// `p + n` and `p - n` count elements.
fn pointer_arithmetic(
    operator: Binary,
    left: &Datum,
    right: &Datum,
    names: &dyn Names,
) -> Result<Option<Datum>, DebugError> {
    let space = names.space();
    let (Datum::Value(pointer), Binary::Add | Binary::Subtract) = (left, operator) else {
        return Ok(None);
    };
    let Kind::Pointer { to, form: PointerForm::Pointer } = pointer.kind() else {
        return Ok(None);
    };
    if let Datum::Value(other) = right
        && matches!(other.kind(), Kind::Pointer { .. })
    {
        return Ok(None);
    }
    let size = i128::from(pointer.info().size_of(to).unwrap_or(1).max(1));
    let count = right.number(space)?;
    let count = if operator == Binary::Subtract { count.checked_neg() } else { Some(count) };
    let moved = count.and_then(|count| count.checked_mul(size));
    let moved = moved.and_then(|bytes| i64::try_from(bytes).ok()).ok_or(ExprError::Overflow)?;
    let addr = pointer.address(space).map_err(of_value)?.get();
    let bytes = addr.wrapping_add(moved.cast_unsigned()).to_le_bytes();
    let info = std::sync::Arc::clone(pointer.info());
    Ok(Some(Datum::Value(Value::of_bytes(info, pointer.type_id(), &bytes))))
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

#[expect(clippy::cast_precision_loss, reason = "as in C")]
pub(super) fn widened(value: Scalar) -> f64 {
    match value {
        Scalar::Int(value) => value as f64,
        Scalar::Float(value) => value,
    }
}
