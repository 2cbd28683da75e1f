//! Expressions together with how they were written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Expr, ExprError, parse};

/// An expression and its text. In JSON it is the text: that is short, people can write it, and it
/// stays readable when [`Expr`] changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    text: String,
    expr: Expr,
}

impl Expression {
    /// What the text means.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }
}

impl FromStr for Expression {
    type Err = ExprError;

    fn from_str(text: &str) -> Result<Self, ExprError> {
        Ok(Self { expr: parse(text)?, text: text.to_owned() })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        crate::as_text::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        crate::as_text::deserialize(from)
    }
}
