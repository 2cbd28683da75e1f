//! `sizeof`: of a type, or of what an expression names.

use std::mem::size_of;

use super::eval::evaluate_datum;
use super::lex::Token;
use super::parse::Parser;
use super::{Datum, Expr, ExprError, Names};
use crate::DebugError;

impl Parser {
    /// What `sizeof` is of: something in parentheses, or an operand.
    pub(super) fn size(&mut self) -> Result<Expr, ExprError> {
        if !self.take("(") {
            let of = Some(Box::new(self.unary()?));
            return Ok(Expr::Size { of, ty: None });
        }
        let start = self.at;
        let rest = self.tokens.get(start..).unwrap_or_default();
        let inside = rest.iter().position(|(_, token)| matches!(token, Token::Sign(")")));
        let ty = inside.and_then(|length| Some((length, type_of(rest.get(..length)?)?)));
        let depth = self.depth;
        let of = self.binary(0).and_then(|of| self.need(")").map(|()| of));
        match (of, ty) {
            (Err(err), None) => Err(err),
            (Ok(of), ty) => Ok(Expr::Size { of: Some(Box::new(of)), ty: ty.map(|(_, ty)| ty) }),
            // `struct node` is no expression.
            (Err(_), Some((length, ty))) => {
                (self.at, self.depth) = (start + length + 1, depth);
                Ok(Expr::Size { of: None, ty: Some(ty) })
            }
        }
    }

    pub(super) fn is_sizeof_of_go(&self) -> bool {
        let next = self.tokens.get(self.at..).unwrap_or_default();
        matches!(next, [(_, Token::Sign(".")), (_, Token::Word(word)), ..] if word == "Sizeof")
    }
}

/// The type that tokens name, if they can be one: words, and stars behind them (C) or before them (Go, Rust).
fn type_of(tokens: &[(usize, Token)]) -> Option<String> {
    let mut name = String::new();
    let (mut words, mut stars_behind) = (0, false);
    for (_, token) in tokens {
        match token {
            Token::Word(word) if !stars_behind => {
                if words > 0 && !name.ends_with('.') {
                    name.push(' ');
                }
                name.push_str(word);
                words += 1;
            }
            Token::Sign("*") => {
                let is_first_behind = words > 0 && !stars_behind;
                name.push_str(if is_first_behind { " *" } else { "*" });
                stars_behind = words > 0;
            }
            Token::Sign(".") if words > 0 && !stars_behind => name.push('.'),
            _ => return None,
        }
    }
    (words > 0).then_some(name)
}

/// The size of what an expression names, else of the type of the same name: a variable hides a type, as in C.
pub(super) fn size(
    of: Option<&Expr>,
    ty: Option<&str>,
    names: &mut dyn Names,
) -> Result<Datum, DebugError> {
    let named = of.map(|of| evaluate_datum(of, names));
    let bytes = match (named, ty) {
        (Some(Ok(datum)), _) => size_of_datum(&datum)?,
        (Some(Err(err)), None) => return Err(err),
        (None | Some(Err(_)), Some(ty)) => {
            let (info, found) = names.find_type(ty)?;
            info.size_of(found).ok_or_else(|| unknown(ty))?
        }
        (None, None) => 0,
    };
    Ok(Datum::Number(bytes.into()))
}

fn unknown(what: &str) -> ExprError {
    ExprError::Value(format!("the size of {what} is not known"))
}

fn size_of_datum(datum: &Datum) -> Result<u64, ExprError> {
    let bytes = match datum {
        Datum::Value(value) => {
            return value.size().ok_or_else(|| unknown(&value.type_name()));
        }
        // As C has them: a number is an `int` if it fits one, and a text ends with a zero.
        Datum::Number(number) if i32::try_from(*number).is_ok() => size_of::<i32>(),
        Datum::Number(_) => size_of::<i64>(),
        Datum::Float(_) => size_of::<f64>(),
        Datum::Text(text) => text.len() + 1,
        Datum::Vector(vector) => vector.size(),
        Datum::Lanes(_) => return Err(unknown("a part of a register")),
        Datum::Items { items, .. } => {
            let sizes = items.iter().map(|item| item.size().unwrap_or(0));
            return Ok(sizes.sum());
        }
    };
    Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
}
