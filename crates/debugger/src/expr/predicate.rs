//! Expressions as predicates, which the recorded program judges itself.
//!
//! An expression calculates in 128 bits, a predicate in 64. Only what means the same in both is a predicate:
//! comparisons of registers, words of memory and numbers. Addresses of words wrap in both directions.

use retake_model::{Arithmetic, Comparison, Predicate, RegisterName, Term, Width};

use super::{Binary, Expr, Int, Unary};

/// What values a term can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// 0 to 2⁶³ - 1: the same, read either way.
    Both,
    /// 0 to 2⁶⁴ - 1.
    Unsigned,
    /// -2⁶³ to 2⁶³ - 1.
    Signed,
}

/// The predicate that means the same as an expression; `None` if there is none.
pub(crate) fn predicate(expr: &Expr) -> Option<Predicate> {
    Some(match expr {
        Expr::Binary(Binary::And, left, right) => {
            Predicate::All(vec![predicate(left)?, predicate(right)?])
        }
        Expr::Binary(Binary::Or, left, right) => {
            Predicate::Any(vec![predicate(left)?, predicate(right)?])
        }
        Expr::Unary(Unary::Not, inner) => Predicate::Not(Box::new(predicate(inner)?)),
        Expr::Binary(operator, left, right) if operator.is_comparison() => {
            compare(*operator, left, right)?
        }
        other => {
            let (term, _) = term(other)?;
            Predicate::Compare(Comparison::Unequal, term, Term::Constant(0))
        }
    })
}

fn compare(operator: Binary, left: &Expr, right: &Expr) -> Option<Predicate> {
    let ((left, left_range), (right, right_range)) = (term(left)?, term(right)?);
    let signed = match (left_range, right_range) {
        (Range::Signed, Range::Unsigned) | (Range::Unsigned, Range::Signed) => return None,
        (Range::Signed, _) | (_, Range::Signed) => true,
        _ => false,
    };
    let (less, or_equal) = match signed {
        true => (Comparison::SignedLess, Comparison::SignedLessOrEqual),
        false => (Comparison::Below, Comparison::BelowOrEqual),
    };
    Some(match operator {
        Binary::Equal => Predicate::Compare(Comparison::Equal, left, right),
        Binary::Unequal => Predicate::Compare(Comparison::Unequal, left, right),
        Binary::Less => Predicate::Compare(less, left, right),
        Binary::LessOrEqual => Predicate::Compare(or_equal, left, right),
        Binary::Greater => Predicate::Compare(less, right, left),
        Binary::GreaterOrEqual => Predicate::Compare(or_equal, right, left),
        _ => return None,
    })
}

/// A value of 64 bits that is the expression's.
fn term(expr: &Expr) -> Option<(Term, Range)> {
    Some(match expr {
        Expr::Number(value) => number(*value)?,
        Expr::Unary(Unary::Minus, inner) => match inner.as_ref() {
            Expr::Number(value) => number(value.checked_neg()?)?,
            _ => return None,
        },
        Expr::Name(name) => (Term::Register(RegisterName::from_name(name)?), Range::Unsigned),
        Expr::Read(int, addr) => {
            let (width, range) = width(*int)?;
            (Term::Memory(width, Box::new(address(addr)?)), range)
        }
        _ => return None,
    })
}

fn number(value: i128) -> Option<(Term, Range)> {
    if let Ok(value) = i64::try_from(value) {
        let range = if value < 0 { Range::Signed } else { Range::Both };
        return Some((Term::Constant(value.cast_unsigned()), range));
    }
    u64::try_from(value).ok().map(|value| (Term::Constant(value), Range::Unsigned))
}

fn width(int: Int) -> Option<(Width, Range)> {
    Some(match (int.bytes, int.signed) {
        (1, false) => (Width::U8, Range::Both),
        (2, false) => (Width::U16, Range::Both),
        (4, false) => (Width::U32, Range::Both),
        (8, false) => (Width::U64, Range::Unsigned),
        (1, true) => (Width::I8, Range::Signed),
        (2, true) => (Width::I16, Range::Signed),
        (4, true) => (Width::I32, Range::Signed),
        (8, true) => (Width::U64, Range::Signed),
        _ => return None,
    })
}

/// An address: sums of terms.
fn address(expr: &Expr) -> Option<Term> {
    let sum = |operator, left: &Expr, right: &Expr| {
        let (left, right) = (Box::new(address(left)?), Box::new(address(right)?));
        Some(Term::Arithmetic(operator, left, right))
    };
    match expr {
        Expr::Binary(Binary::Add, left, right) => sum(Arithmetic::Add, left, right),
        Expr::Binary(Binary::Subtract, left, right) => sum(Arithmetic::Subtract, left, right),
        Expr::Binary(Binary::Multiply, left, right) => sum(Arithmetic::Multiply, left, right),
        _ => term(expr).map(|(term, _)| term),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::parse;

    fn compiled(text: &str) -> Option<Predicate> {
        predicate(&parse(text).unwrap())
    }

    #[test]
    fn comparisons_are_signed_where_a_side_is() {
        let comparison = |text: &str| match compiled(text) {
            Some(Predicate::Compare(comparison, ..)) => comparison,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(comparison("$rax < 5"), Comparison::Below);
        assert_eq!(comparison("*(i32)$rsp < -1"), Comparison::SignedLess);
        assert_eq!(comparison("*(i64)($rsp + 8) >= 0"), Comparison::SignedLessOrEqual);
        assert_eq!(comparison("*(u8)($rdi + $rsi * 4) != 0"), Comparison::Unequal);
        assert_eq!(comparison("$rax"), Comparison::Unequal);
    }

    #[test]
    fn what_would_mean_something_else_is_none() {
        for text in ["$rax + 1 == 0", "$rax < -1", "*(i64)8 < $rax", "$event == 3", "$hits(1) == 2"]
        {
            assert_eq!(compiled(text), None, "{text}");
        }
        assert!(compiled("!($rax == 1 && $rbx != 2) || *(u32)8 > 3").is_some());
    }
}
