//! The value of an expression.

use retake_model::Addr;
use retake_values::{
    Key, Kind, PointerForm, Scalar, Value, ValueError, entry_of, held_in, item_of, length_of,
    payload_of,
};

use super::calculate::{combine, widened};
use super::sizes::size;
use super::vectors::{Lanes, Vector};
use super::{Binary, Datum, Expr, ExprError, Int, Names, Part, Unary};
use crate::DebugError;

/// Elements of one range.
const MAX_ITEMS: i128 = 1024;

/// The value of an expression, as an integer. Comparisons give 1 or 0; `&&` and `||` look at their right side
/// only when it matters.
///
/// # Errors
/// When a name has no value, memory is not mapped, or a calculation overflows.
pub fn evaluate(expr: &Expr, names: &mut dyn Names) -> Result<i128, DebugError> {
    let datum = evaluate_datum(expr, names)?;
    Ok(datum.number(names.space())?)
}

/// The value of an expression.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_datum(expr: &Expr, names: &mut dyn Names) -> Result<Datum, DebugError> {
    match expr {
        Expr::Number(value) => Ok(Datum::Number(*value)),
        Expr::Float(text) => Ok(Datum::Float(text.parse().unwrap_or(f64::NAN))),
        Expr::Text(text) => Ok(Datum::Text(text.clone())),
        Expr::Name(name) if Vector::is_name(name) => names.vector(name).map(Datum::Vector),
        Expr::Name(name) => names.value(name).map(Datum::Number),
        Expr::Hits(breakpoint) => {
            let breakpoint = evaluate(breakpoint, names)?;
            names.hits(breakpoint).map(Datum::Number)
        }
        Expr::Unary(operator, operand) => {
            let value = evaluate_datum(operand, names)?.scalar(names.space())?;
            Ok(match (operator, value) {
                (Unary::Minus, Scalar::Float(value)) => Datum::Float(-value),
                (Unary::Minus, Scalar::Int(value)) => {
                    Datum::Number(value.checked_neg().ok_or(ExprError::Overflow)?)
                }
                (Unary::Not, value) => Datum::Number(i128::from(!holds(value))),
                (Unary::Complement, Scalar::Int(value)) => Datum::Number(!value),
                (Unary::Complement, Scalar::Float(_)) => return Err(ExprError::NotAnInteger.into()),
            })
        }
        Expr::Cast(int, operand) => {
            let value = match evaluate_datum(operand, names)?.scalar(names.space())? {
                Scalar::Int(value) => value,
                Scalar::Float(value) => truncated(value),
            };
            Ok(Datum::Number(int.wrap(value)))
        }
        Expr::Read(int, operand) => {
            let addr = evaluate_address(operand, names)?;
            read(*int, addr, names).map(Datum::Number)
        }
        Expr::Variable { name, column } => names.variable(name).map_err(|err| at(err, *column)),
        Expr::Size { of, ty } => size(of.as_deref(), ty.as_deref(), names),
        Expr::Part { of, part, column } => {
            evaluate_part(of, part, names).map_err(|err| at(err, *column))
        }
        Expr::Binary(Binary::And, left, right) => {
            Ok(Datum::Number(i128::from(truth(left, names)? && truth(right, names)?)))
        }
        Expr::Binary(Binary::Or, left, right) => {
            Ok(Datum::Number(i128::from(truth(left, names)? || truth(right, names)?)))
        }
        Expr::Binary(operator, left, right) => {
            let (left, right) = (evaluate_datum(left, names)?, evaluate_datum(right, names)?);
            combine(*operator, &left, &right, names)
        }
    }
}

/// An error with the column that it is of; those of inner parts have theirs.
fn at(err: DebugError, column: usize) -> DebugError {
    match err {
        DebugError::Expr(ExprError::Value(problem)) | DebugError::NotFound(problem) => {
            ExprError::At { problem, column }.into()
        }
        other => other,
    }
}

pub(super) fn of_value(err: ValueError) -> DebugError {
    ExprError::Value(err.to_string()).into()
}

fn holds(value: Scalar) -> bool {
    match value {
        Scalar::Int(value) => value != 0,
        Scalar::Float(value) => value != 0.0,
    }
}

fn truth(expr: &Expr, names: &mut dyn Names) -> Result<bool, DebugError> {
    Ok(holds(evaluate_datum(expr, names)?.scalar(names.space())?))
}

#[expect(clippy::cast_possible_truncation, reason = "as in C, the fraction is cut off")]
fn truncated(value: f64) -> i128 {
    value as i128
}

fn evaluate_part(of: &Expr, part: &Part, names: &mut dyn Names) -> Result<Datum, DebugError> {
    if let Part::Field(field) = part {
        return field_of(of, field, names);
    }
    let datum = evaluate_datum(of, names)?;
    if let Part::As(ty) = part {
        return cast(&datum, ty, names);
    }
    let value = match datum {
        Datum::Value(value) => value,
        Datum::Text(text) if *part == Part::Length => {
            return Ok(Datum::Number(i128::try_from(text.len()).unwrap_or(i128::MAX)));
        }
        Datum::Items { items, .. } => return item_among(&items, part, names),
        Datum::Lanes(lanes) => return lane(&lanes, part, names),
        _ => return Err(ExprError::Value("a number has no parts".to_owned()).into()),
    };
    match part {
        Part::Item(index) => {
            let index = evaluate_datum(index, names)?;
            item(&value, &index, names)
        }
        Part::Items(from, to) => {
            let mut bound = |bound: &Option<Box<Expr>>| {
                bound.as_ref().map(|bound| evaluate(bound, names)).transpose()
            };
            let (from, to) = (bound(from)?, bound(to)?);
            items(&value, from, to, names)
        }
        Part::Target => {
            let space = names.space();
            let found = match held_in(&value, space) {
                Some(held) => held,
                None => value.deref(space).map_err(of_value)?,
            };
            Ok(Datum::Value(found))
        }
        Part::Address => Ok(Datum::Value(value.reference().map_err(of_value)?)),
        Part::Length => {
            let len = length_of(&value, names.space()).ok_or_else(|| match value.why_missing() {
                Some(why) => why.clone().into(),
                None => ValueError::NoElements(value.type_name()),
            });
            let len = len.map_err(of_value)?;
            Ok(Datum::Number(len.into()))
        }
        Part::Capacity => {
            let space = names.space();
            let found = value.field("cap", space).or_else(|_| {
                value
                    .field("dataqsiz", space)
                    .or_else(|_| value.deref(space)?.field("dataqsiz", space))
            });
            Ok(Datum::Value(
                found.map_err(|_| of_value(ValueError::NoElements(value.type_name())))?,
            ))
        }
        Part::Field(_) | Part::As(_) => Err(ExprError::Overflow.into()),
    }
}

/// A field of a value, also of what it points to; or a variable with dots in its path, as Go has them.
fn field_of(of: &Expr, field: &str, names: &mut dyn Names) -> Result<Datum, DebugError> {
    let value = match evaluate_datum(of, names) {
        Ok(Datum::Value(value)) => value,
        Ok(Datum::Vector(vector)) => return Ok(Datum::Lanes(vector.lanes(field)?)),
        Ok(_) => return Err(ExprError::Value("a number has no fields".to_owned()).into()),
        Err(err) => {
            let whole = dotted(of).map(|path| format!("{path}.{field}"));
            return match whole.and_then(|path| names.variable(&path).ok()) {
                Some(found) => Ok(found),
                None => Err(err),
            };
        }
    };
    let space = names.space();
    let mut at = value.clone();
    for _ in 0..4 {
        if let Some(found) = payload_of(&at, space).and_then(|inner| inner.field(field, space).ok())
        {
            return Ok(Datum::Value(found));
        }
        match at.field(field, space) {
            Ok(found) => return Ok(Datum::Value(found)),
            Err(err) => match at.kind() {
                // `p.x` means `(*p).x` as well.
                Kind::Pointer { form, .. } if !matches!(form, PointerForm::Member { .. }) => {
                    at = at.deref(space).map_err(of_value)?;
                }
                _ => match held_in(&at, space) {
                    Some(held) => at = held,
                    None => return Err(of_value(err)),
                },
            },
        }
    }
    Err(of_value(value.field(field, space).err().unwrap_or(ValueError::NoAddress)))
}

pub(super) fn dotted(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Variable { name, .. } => Some(name.clone()),
        Expr::Part { of, part: Part::Field(field), .. } => Some(format!("{}.{field}", dotted(of)?)),
        _ => None,
    }
}

fn item(value: &Value, index: &Datum, names: &dyn Names) -> Result<Datum, DebugError> {
    let space = names.space();
    let key = match index.text(space) {
        Some(text) => Key::Text(text),
        None => Key::Number(index.number(space)?),
    };
    let found = match &key {
        Key::Number(number) => match item_of(value, *number, space) {
            Err(ValueError::NoElements(_)) => entry_of(value, &key, space),
            other => other,
        },
        Key::Text(_) => entry_of(value, &key, space),
    };
    found.map(Datum::Value).map_err(of_value)
}

fn item_among(items: &[Value], part: &Part, names: &mut dyn Names) -> Result<Datum, DebugError> {
    let len = items.len();
    match part {
        Part::Length => Ok(Datum::Number(i128::try_from(len).unwrap_or(i128::MAX))),
        Part::Item(index) => {
            let index = evaluate(index, names)?;
            let found = usize::try_from(index).ok().and_then(|index| items.get(index));
            let none = ValueError::OutOfRange { index, len: len as u64 };
            found.cloned().map(Datum::Value).ok_or_else(|| of_value(none))
        }
        _ => Err(ExprError::Value("several values have elements only".to_owned()).into()),
    }
}

fn lane(lanes: &Lanes, part: &Part, names: &mut dyn Names) -> Result<Datum, DebugError> {
    let len = lanes.len();
    match part {
        Part::Length => Ok(Datum::Number(i128::try_from(len).unwrap_or(i128::MAX))),
        Part::Item(index) => {
            let index = evaluate(index, names)?;
            let found = usize::try_from(index).ok().and_then(|index| lanes.get(index));
            found.ok_or_else(|| of_value(ValueError::OutOfRange { index, len: len as u64 }))
        }
        _ => Err(ExprError::Value("a vector has elements only".to_owned()).into()),
    }
}

fn items(
    value: &Value,
    from: Option<i128>,
    to: Option<i128>,
    names: &dyn Names,
) -> Result<Datum, DebugError> {
    let space = names.space();
    let from = from.unwrap_or(0);
    let to = match to.or_else(|| length_of(value, space).map(i128::from)) {
        Some(to) => to,
        None => return Err(ExprError::Value("the end of the range is missing".to_owned()).into()),
    };
    let count = to.checked_sub(from).ok_or(ExprError::Overflow)?;
    if count > MAX_ITEMS {
        let problem = format!("a range has at most {MAX_ITEMS} elements");
        return Err(ExprError::Value(problem).into());
    }
    let mut found = Vec::new();
    for index in from..to {
        found.push(item_of(value, index, space).map_err(of_value)?);
    }
    let ty = found.first().map(Value::type_name).unwrap_or_default();
    Ok(Datum::Items { ty, items: found })
}

fn cast(datum: &Datum, name: &str, names: &mut dyn Names) -> Result<Datum, DebugError> {
    // What an interface of Go holds, if that is of the type.
    if let Datum::Value(value) = datum
        && let Some(held) = held_in(value, names.space())
    {
        let own = held.type_name();
        if own == name || own.trim_start_matches('*') == name.trim_start_matches('*') {
            return Ok(Datum::Value(held));
        }
        let problem = format!("it holds a value of type {own}");
        return Err(ExprError::Value(problem).into());
    }
    let (info, ty) = names.find_type(name)?;
    let space = names.space();
    let size = info.size_of(ty).unwrap_or(0);
    if let Datum::Value(value) = datum
        && (value.size() == Some(size) || value.scalar(space).is_err())
    {
        return Ok(Datum::Value(value.taken_for(&info, ty)));
    }
    let is_float = matches!(
        info.plain(ty).1.as_deref().map(|ty| &ty.kind),
        Some(Kind::Base(retake_values::Encoding::Float))
    );
    let bytes: Vec<u8> = match datum.scalar(space)? {
        scalar if is_float && size == 8 => widened(scalar).to_le_bytes().to_vec(),
        #[expect(clippy::cast_possible_truncation, reason = "as in C")]
        scalar if is_float => (widened(scalar) as f32).to_le_bytes().to_vec(),
        Scalar::Int(value) => value.to_le_bytes().to_vec(),
        Scalar::Float(value) => truncated(value).to_le_bytes().to_vec(),
    };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let bytes = bytes.get(..size);
    let bytes = bytes.ok_or_else(|| ExprError::Value(format!("a number is no {name}")))?;
    Ok(Datum::Value(Value::of_bytes(info, ty, bytes)))
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
