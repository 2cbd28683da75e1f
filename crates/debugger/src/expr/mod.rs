//! Expressions: variables and their parts, numbers, texts, registers, memory words, `$event`, `$hits(BP)`.
//!
//! Numbers are integers of 128 bits, wide enough for every register and its difference to another.
//! What an expression names is asked of a [`Names`].

mod calculate;
mod datum;
mod eval;
mod expression;
mod lex;
mod parse;
mod predicate;
mod range;
mod registers;
mod sizes;
#[cfg(test)]
mod tests;
mod vectors;

use std::sync::Arc;

use retake_model::Addr;
use retake_values::{Info, Space, TypeId};

pub use datum::Datum;
pub(crate) use eval::evaluate_address;
pub use eval::{evaluate, evaluate_datum};
pub use expression::Expression;
pub use parse::parse;
pub(crate) use predicate::{NoPlaces, Places, predicate};
pub(crate) use registers::{register_part, register_value};
pub use vectors::{Lanes, Vector};

use crate::DebugError;

/// What the names of an expression stand for.
pub trait Names {
    /// `$name`.
    ///
    /// # Errors
    /// When there is no such name, or it has no value here.
    fn value(&mut self, name: &str) -> Result<i128, DebugError>;

    /// `$xmm0`, `$ymm0` and so on.
    ///
    /// # Errors
    /// When it is not known here.
    fn vector(&mut self, name: &str) -> Result<Vector, DebugError> {
        Err(DebugError::NotFound(format!("${name} is not known here")))
    }

    /// `$hits(breakpoint)`.
    ///
    /// # Errors
    /// When there is no such breakpoint, or its hits cannot be counted.
    fn hits(&mut self, breakpoint: i128) -> Result<i128, DebugError>;

    /// Fills `out` from memory.
    ///
    /// # Errors
    /// When it is not mapped.
    fn read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), DebugError>;

    /// The variable of this name that is visible, or one outside of functions.
    ///
    /// # Errors
    /// When there is none.
    fn variable(&mut self, name: &str) -> Result<Datum, DebugError> {
        Err(DebugError::NotFound(format!("there is no variable {name} here")))
    }

    /// The type of a name.
    ///
    /// # Errors
    /// When there is none.
    fn find_type(&mut self, name: &str) -> Result<(Arc<Info>, TypeId), DebugError> {
        Err(DebugError::NotFound(format!("there is no type {name}")))
    }

    /// The memory that values are in.
    fn space(&self) -> &dyn Space {
        &Nothing
    }
}

/// No memory.
struct Nothing;

impl Space for Nothing {
    fn read(&self, _addr: Addr, _out: &mut [u8]) -> usize {
        0
    }
}

/// A text that is no expression, or an expression without a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExprError {
    /// It cannot be read.
    #[error("bad expression: {problem} at column {column}")]
    Syntax {
        /// What is wrong.
        problem: String,
        /// Where, from 1.
        column: usize,
    },
    /// A calculation leaves 128 bits.
    #[error("the value of the expression is too large")]
    Overflow,
    /// A part of it has no value.
    #[error("{problem} (column {column})")]
    At {
        /// Why.
        problem: String,
        /// Where, from 1.
        column: usize,
    },
    /// A part of it has no value, wherever it stands.
    #[error("{0}")]
    Value(String),
    /// A number with a fraction, where an integer is needed.
    #[error("a number with a fraction stands where an integer is needed")]
    NotAnInteger,
    /// A value is used as an address and is none.
    #[error("{0} is not an address")]
    NotAnAddress(i128),
    /// A division by zero.
    #[error("the expression divides by zero")]
    DivisionByZero,
    /// A shift by less than nothing.
    #[error("the expression shifts by {0} bits")]
    NegativeShift(i128),
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// A number.
    Number(i128),
    /// `$name`.
    Name(String),
    /// `$hits(breakpoint)`.
    Hits(Box<Expr>),
    /// `-x`, `!x` or `^x`.
    Unary(Unary, Box<Expr>),
    /// `x op y`.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `(type)x`.
    Cast(Int, Box<Expr>),
    /// `*(type)address`.
    Read(Int, Box<Expr>),
    /// A number with a point, as text.
    Float(String),
    /// `"text"`.
    Text(String),
    /// A variable.
    Variable {
        /// Its name, or its path.
        name: String,
        /// Where it stands.
        column: usize,
    },
    /// `sizeof(x)`: of what an expression names, else of a type. One of both is there.
    Size {
        /// The expression, if it can be one.
        of: Option<Box<Expr>>,
        /// The type, if it can be one.
        ty: Option<String>,
    },
    /// Something of a value.
    Part {
        /// Of what.
        of: Box<Expr>,
        /// What.
        part: Part,
        /// Where it stands.
        column: usize,
    },
}

/// Something of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// `x.name`, also through a pointer.
    Field(String),
    /// `x[index]`
    Item(Box<Expr>),
    /// `x[from:to]`
    Items(Option<Box<Expr>>, Option<Box<Expr>>),
    /// `*x`
    Target,
    /// `&x`
    Address,
    /// `(type)x`
    As(String),
    /// `len(x)`
    Length,
    /// `cap(x)`
    Capacity,
}

impl Expr {
    /// The variables that it names, and whether it has texts: what only values can answer.
    pub(crate) fn needs_values(&self) -> bool {
        match self {
            Self::Variable { .. }
            | Self::Part { .. }
            | Self::Size { .. }
            | Self::Text(_)
            | Self::Float(_) => true,
            Self::Number(_) | Self::Name(_) => false,
            Self::Hits(inner)
            | Self::Unary(_, inner)
            | Self::Cast(_, inner)
            | Self::Read(_, inner) => inner.needs_values(),
            Self::Binary(_, left, right) => left.needs_values() || right.needs_values(),
        }
    }

    /// Gives the name of each variable to `each`.
    pub(crate) fn variables<'e>(&'e self, each: &mut dyn FnMut(&'e str)) {
        match self {
            Self::Variable { name, .. } => each(name),
            Self::Number(_) | Self::Name(_) | Self::Text(_) | Self::Float(_) => {}
            // What may be a type need not be a variable.
            Self::Size { of, ty } => {
                if let (Some(of), None) = (of, ty) {
                    of.variables(each);
                }
            }
            Self::Hits(inner)
            | Self::Unary(_, inner)
            | Self::Cast(_, inner)
            | Self::Read(_, inner) => inner.variables(each),
            Self::Binary(_, left, right) => {
                left.variables(each);
                right.variables(each);
            }
            Self::Part { of, part, .. } => {
                of.variables(each);
                match part {
                    Part::Item(index) => index.variables(each),
                    Part::Items(from, to) => {
                        [from, to].into_iter().flatten().for_each(|bound| bound.variables(each));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `-`
    Minus,
    /// `!`
    Not,
    /// `^`: each bit is the other one.
    Complement,
}

/// An operator between its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Binary {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
}

impl Binary {
    /// Whether it compares.
    pub const fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::Unequal
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        )
    }
}

/// An integer type of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int {
    pub(crate) bytes: usize,
    pub(crate) signed: bool,
}

impl Int {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let signed = name.starts_with('i');
        let bytes = match name.strip_prefix(['i', 'u'])? {
            "8" => 1,
            "16" => 2,
            "32" => 4,
            "64" => 8,
            _ => return None,
        };
        Some(Self { bytes, signed })
    }

    /// The value of this type with the low bits of `value`.
    pub(crate) const fn wrap(self, value: i128) -> i128 {
        let unused = 128 - 8 * self.bytes;
        let moved = value << unused;
        if self.signed { moved >> unused } else { (moved.cast_unsigned() >> unused).cast_signed() }
    }
}
