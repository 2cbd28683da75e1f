//! Expressions of `assert` and addresses: numbers, registers, memory words, `$event`, `$hits(BP)`.
//!
//! Values are integers of 128 bits, wide enough for every register and its difference to another.
//! What an expression names is asked of a [`Names`].

mod eval;
mod expression;
mod lex;
mod parse;
mod predicate;
#[cfg(test)]
mod tests;

use retake_model::Addr;

pub use eval::evaluate;
pub(crate) use eval::evaluate_address;
pub use expression::Expression;
pub use parse::parse;
pub(crate) use predicate::predicate;

use crate::DebugError;

/// What the names of an expression stand for.
pub trait Names {
    /// `$name`.
    ///
    /// # Errors
    /// When there is no such name, or it has no value here.
    fn value(&mut self, name: &str) -> Result<i128, DebugError>;

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
