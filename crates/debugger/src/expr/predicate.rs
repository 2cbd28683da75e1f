//! Expressions as predicates, which the recorded program judges itself.
//!
//! An expression calculates in 128 bits, a predicate in 64. Only what means the same in both is a predicate:
//! for each term it is known between which values it lies, and all of those fit into 64 bits. Addresses of
//! words, and what is cast to a type, wrap in both. Variables are what [`Places`] says that they are at a place.

use retake_model::{Arithmetic, Comparison, Predicate, RegisterName, Term, Width};

use retake_values::{Compiled, CompiledInt};

use super::range::Range;
use super::{Binary, Expr, Int, Part, Unary, register_part};

/// Variables at a place.
pub(crate) trait Places {
    /// A variable, if what it is there can be said in a term.
    fn place(&self, name: &str) -> Option<Compiled>;
}

/// No variables.
pub(crate) struct NoPlaces;

impl Places for NoPlaces {
    fn place(&self, _name: &str) -> Option<Compiled> {
        None
    }
}

/// The predicate that means the same as an expression; `None` if there is none.
pub(crate) fn predicate(expr: &Expr, places: &dyn Places) -> Option<Predicate> {
    Some(match expr {
        Expr::Binary(Binary::And, left, right) => {
            Predicate::All(vec![predicate(left, places)?, predicate(right, places)?])
        }
        Expr::Binary(Binary::Or, left, right) => {
            Predicate::Any(vec![predicate(left, places)?, predicate(right, places)?])
        }
        Expr::Unary(Unary::Not, inner) => Predicate::Not(Box::new(predicate(inner, places)?)),
        Expr::Binary(operator, left, right) if operator.is_comparison() => {
            compare(*operator, left, right, places)?
        }
        other => {
            let (term, _) = term(other, places)?;
            Predicate::Compare(Comparison::Unequal, term, Term::Constant(0))
        }
    })
}

fn compare(operator: Binary, left: &Expr, right: &Expr, places: &dyn Places) -> Option<Predicate> {
    let ((left, left_range), (right, right_range)) = (term(left, places)?, term(right, places)?);
    let signed = left_range.has_negative() || right_range.has_negative();
    if signed && (left_range.has_large() || right_range.has_large()) {
        return None;
    }
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
fn term(expr: &Expr, places: &dyn Places) -> Option<(Term, Range)> {
    Some(match expr {
        Expr::Number(value) => (Term::Constant(low_bits(*value)?), Range::between(*value, *value)?),
        Expr::Unary(Unary::Minus, inner) => match inner.as_ref() {
            Expr::Number(value) => term(&Expr::Number(value.checked_neg()?), places)?,
            _ => return None,
        },
        Expr::Name(name) => register(name)?,
        Expr::Read(int, addr) => {
            (Term::Memory(width(*int)?, Box::new(wrapping(addr, places)?)), Range::of_int(*int))
        }
        Expr::Cast(int, inner) => (cast(*int, wrapping(inner, places)?), Range::of_int(*int)),
        Expr::Binary(operator, left, right) => calculation(*operator, left, right, places)?,
        Expr::Variable { name, .. } => match places.place(name) {
            Some(found) => integer(&found)?,
            None => register(name)?,
        },
        Expr::Part { .. } => integer(&compiled(expr, places)?)?,
        _ => return None,
    })
}

fn register(name: &str) -> Option<(Term, Range)> {
    if let Some(name) = RegisterName::from_name(name) {
        return Some((Term::Register(name), Range::U64));
    }
    let (name, mask) = register_part(name)?;
    let (whole, mask_term) = (Box::new(Term::Register(name)), Box::new(Term::Constant(mask)));
    Some((Term::Arithmetic(Arithmetic::And, whole, mask_term), Range::between(0, mask.into())?))
}

fn integer(found: &Compiled) -> Option<(Term, Range)> {
    let CompiledInt { term, bytes, signed, extended } = found.int()?;
    let int = Int { bytes, signed };
    Some((if extended { term } else { cast(int, term) }, Range::of_int(int)))
}

/// A variable, or a part of one.
fn compiled(expr: &Expr, places: &dyn Places) -> Option<Compiled> {
    match expr {
        Expr::Variable { name, .. } => places.place(name),
        Expr::Part { of, part, .. } => match part {
            Part::Field(field) => match compiled(of, places) {
                Some(of) => of.field(field),
                None => places.place(&format!("{}.{field}", super::eval::dotted(of)?)),
            },
            Part::Target => compiled(of, places)?.target(),
            Part::Item(index) => match **index {
                Expr::Number(index) => compiled(of, places)?.element(u64::try_from(index).ok()?),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn calculation(
    operator: Binary,
    left: &Expr,
    right: &Expr,
    places: &dyn Places,
) -> Option<(Term, Range)> {
    let ((left, l), (right, r)) = (term(left, places)?, term(right, places)?);
    let corners = |f: fn(i128, i128) -> Option<i128>| {
        Range::of([f(l.least, r.least), f(l.least, r.most), f(l.most, r.least), f(l.most, r.most)])
    };
    let no_signs = !l.has_negative() && !r.has_negative();
    let by = match right {
        Term::Constant(by) if no_signs => Some(by),
        _ => None,
    };
    let with = |operator, left, right, range: Option<Range>| {
        Some((Term::Arithmetic(operator, Box::new(left), Box::new(right)), range?))
    };
    match operator {
        Binary::Add => with(Arithmetic::Add, left, right, corners(i128::checked_add)),
        Binary::Subtract => with(Arithmetic::Subtract, left, right, corners(i128::checked_sub)),
        Binary::Multiply => with(Arithmetic::Multiply, left, right, corners(i128::checked_mul)),
        Binary::Divide => {
            let range = corners(i128::checked_div);
            with(Arithmetic::Divide, left, Term::Constant(by.filter(|by| *by > 0)?), range)
        }
        Binary::Remainder => {
            let by = by.filter(|by| *by > 0)?;
            let range = Range::between(0, i128::from(by) - 1);
            match by.is_power_of_two() {
                true => with(Arithmetic::And, left, Term::Constant(by - 1), range),
                false => with(Arithmetic::Remainder, left, right, range),
            }
        }
        Binary::BitAnd => {
            let range = match (l.has_negative(), r.has_negative()) {
                (false, false) => Range::between(0, l.most.min(r.most)),
                (false, true) => Range::between(0, l.most),
                (true, false) => Range::between(0, r.most),
                (true, true) => Some(Range::I64),
            };
            with(Arithmetic::And, left, right, range)
        }
        Binary::BitOr => with(Arithmetic::Or, left, right, of_bits(l, r)),
        Binary::BitXor => with(Arithmetic::Xor, left, right, of_bits(l, r)),
        Binary::ShiftLeft => {
            let factor = 1_u64.checked_shl(u32::try_from(by?).ok()?)?;
            let factor_range = Range::between(factor.into(), factor.into())?;
            let most = l.most.checked_mul(factor_range.most);
            let range = Range::of([Some(0), most, Some(0), most]);
            with(Arithmetic::Multiply, left, Term::Constant(factor), range)
        }
        Binary::ShiftRight => {
            let divisor = 1_u64.checked_shl(u32::try_from(by?).ok()?)?;
            let range = Range::between(0, l.most / i128::from(divisor));
            with(Arithmetic::Divide, left, Term::Constant(divisor), range)
        }
        _ => None,
    }
}

/// What `|` and `^` give of such values.
fn of_bits(left: Range, right: Range) -> Option<Range> {
    let signed = left.has_negative() || right.has_negative();
    let large = left.has_large() || right.has_large();
    match (signed, large) {
        (true, true) => None,
        (true, false) => Some(Range::I64),
        (false, _) => Some(Range::U64),
    }
}

/// The lowest 64 bits of a number that has no more.
fn low_bits(value: i128) -> Option<u64> {
    let signed = i64::try_from(value).ok().map(i64::cast_unsigned);
    signed.or_else(|| u64::try_from(value).ok())
}

fn width(int: Int) -> Option<Width> {
    Some(match (int.bytes, int.signed) {
        (1, false) => Width::U8,
        (2, false) => Width::U16,
        (4, false) => Width::U32,
        (8, _) => Width::U64,
        (1, true) => Width::I8,
        (2, true) => Width::I16,
        (4, true) => Width::I32,
        _ => return None,
    })
}

/// A value of a type, from the lowest bits of a term.
fn cast(int: Int, term: Term) -> Term {
    let with = |operator, left, right| {
        Term::Arithmetic(operator, Box::new(left), Box::new(Term::Constant(right)))
    };
    if int.bytes >= 8 {
        return term;
    }
    let values = 1_u64 << (8 * int.bytes);
    let low = with(Arithmetic::And, term, values - 1);
    if !int.signed {
        return low;
    }
    // The highest bit becomes the sign.
    let sign = values / 2;
    with(Arithmetic::Subtract, with(Arithmetic::Xor, low, sign), sign)
}

/// The lowest 64 bits of an expression, whatever else it has: of an address, and of what is cast.
fn wrapping(expr: &Expr, places: &dyn Places) -> Option<Term> {
    let both = |operator, left: &Expr, right: &Expr| {
        let (left, right) = (Box::new(wrapping(left, places)?), Box::new(wrapping(right, places)?));
        Some(Term::Arithmetic(operator, left, right))
    };
    match expr {
        Expr::Binary(Binary::Add, left, right) => both(Arithmetic::Add, left, right),
        Expr::Binary(Binary::Subtract, left, right) => both(Arithmetic::Subtract, left, right),
        Expr::Binary(Binary::Multiply, left, right) => both(Arithmetic::Multiply, left, right),
        Expr::Binary(Binary::BitAnd, left, right) => both(Arithmetic::And, left, right),
        Expr::Binary(Binary::BitOr, left, right) => both(Arithmetic::Or, left, right),
        Expr::Binary(Binary::BitXor, left, right) => both(Arithmetic::Xor, left, right),
        _ => term(expr, places).map(|(term, _)| term),
    }
}

#[cfg(test)]
mod tests {
    use retake_model::{Addr, Judged, Registers, TaskId};

    use super::*;
    use crate::DebugError;
    use crate::expr::{Names, evaluate, parse};

    fn compiled(text: &str) -> Option<Predicate> {
        predicate(&parse(text).unwrap(), &NoPlaces)
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
        assert_eq!(comparison("(i32)$rdi < 0"), Comparison::SignedLess);
        assert_eq!(comparison("$rax"), Comparison::Unequal);
    }

    #[test]
    fn what_would_mean_something_else_is_none() {
        let others = [
            "$rax + 1 == 0",
            "$rax < -1",
            "*(i64)8 < $rax",
            "$event == 3",
            "$hits(1) == 2",
            "$rax << 1 == 0",
            "$rax | *(i64)8",
            "*(i32)8 % 3 == 1",
            "$rax % $rbx",
            "$rax % 0",
            "$rax - $rbx < 0",
        ];
        for text in others {
            assert_eq!(compiled(text), None, "{text}");
        }
        assert!(compiled("!($rax == 1 && $rbx != 2) || *(u32)8 > 3").is_some());
    }

    /// Registers and memory made of a few odd values.
    struct Odd(Registers);

    impl Judged for Odd {
        fn task(&self) -> TaskId {
            TaskId::new(0)
        }

        fn registers(&self) -> &Registers {
            &self.0
        }

        fn read(&self, addr: Addr, out: &mut [u8]) -> bool {
            let word = (addr.get() ^ self.0.rsi).to_le_bytes();
            out.copy_from_slice(&word[..out.len()]);
            true
        }
    }

    impl Names for Odd {
        fn value(&mut self, name: &str) -> Result<i128, DebugError> {
            let name = RegisterName::from_name(name).unwrap();
            Ok(self.0.get(name).into())
        }

        fn hits(&mut self, _: i128) -> Result<i128, DebugError> {
            Ok(0)
        }

        fn read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), DebugError> {
            Judged::read(self, addr, out);
            Ok(())
        }
    }

    #[test]
    fn a_predicate_holds_where_the_expression_does() {
        let texts = [
            "$rdi % 1000 == 7",
            "$rdi % 4096 == 7",
            "$rdi & 0xff == 7",
            "$rdi >> 3 == 1",
            "$rdi / 5 > 1",
            "(u32)$rdi + 1 == 8",
            "(i32)$rdi < 0",
            "(i16)($rdi + 1) - 3 < -1",
            "(u8)$rdi << 8 > 0x600",
            "*(i64)($rsp + 8) & 0xf0 == 0xf0",
            "*(i32)$rsp | 1 == -1",
            "*(i8)$rsp ^ 5 < 0",
            "$rdi ^ $rsi != 0",
            "(i64)$rdi & *(i64)$rsp < 0",
            "$rdi & *(i64)$rsp > 7",
            "(u32)$rdi * 3 - 1 > 20",
            "(u16)$rdi - (u16)$rsi < 0",
        ];
        let odd = [0, 1, 7, 8, 0x7f, 0x80, 1007, 0xffff, 1 << 31, u64::MAX >> 1, 1 << 63, u64::MAX];
        let mut held = 0;
        for text in texts {
            let expr = parse(text).unwrap();
            let predicate =
                predicate(&expr, &NoPlaces).unwrap_or_else(|| panic!("{text} is not compiled"));
            for (rdi, rsi) in odd.iter().flat_map(|rdi| odd.iter().map(move |rsi| (*rdi, *rsi))) {
                let registers = Registers { rdi, rsi, rsp: 0x1000, ..Registers::default() };
                let expected = evaluate(&expr, &mut Odd(registers)).unwrap() != 0;
                let holds = predicate.evaluate(&Odd(registers));
                assert_eq!(holds, Some(expected), "{text} with {rdi:#x}, {rsi:#x}");
                held += usize::from(expected);
            }
        }
        assert!(held > 100, "{held}");
    }
}
