//! What an expression gives.

use retake_values::{Limits, Node, Scalar, Shown, Space, Style, Value, show, text_of};

use super::ExprError;
use super::vectors::{Lanes, Vector};

/// What an expression gives: a value of the program, or something that was computed.
#[derive(Clone, Debug)]
pub enum Datum {
    /// An integer.
    Number(i128),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// A value of the program.
    Value(Value),
    /// A vector register.
    Vector(Vector),
    /// The lanes of one.
    Lanes(Lanes),
    /// Some elements of one: how many follow, and the first of them.
    Items {
        /// Of what type.
        ty: String,
        /// Each of them.
        items: Vec<Value>,
    },
}

impl Datum {
    /// What it looks like.
    pub fn shown(&self, space: &dyn Space, limits: Limits) -> Shown {
        let plain = |ty: &str, text: String| Shown {
            ty: ty.to_owned(),
            style: Style::C,
            node: Node::Plain(text),
        };
        match self {
            Self::Number(number) => plain("integer", limits.format.integer(*number, 16)),
            Self::Float(number) => plain("float", number.to_string()),
            Self::Text(text) => {
                let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
                let node = Node::Text { text: text.clone(), len, more: false };
                Shown { ty: "text".to_owned(), style: Style::C, node }
            }
            Self::Value(value) => show(value, space, limits),
            Self::Vector(vector) => vector.shown(),
            Self::Lanes(lanes) => lanes.shown(),
            Self::Items { ty, items } => {
                let shown: Vec<Shown> =
                    items.iter().map(|item| show(item, space, limits)).collect();
                let style = shown.first().map_or(Style::C, |shown| shown.style);
                let len = u64::try_from(shown.len()).unwrap_or(u64::MAX);
                let node = Node::List { label: None, len, cap: None, items: shown };
                Shown { ty: ty.clone(), style, node }
            }
        }
    }

    /// Its integer.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self, space: &dyn Space) -> Result<i128, ExprError> {
        match self.scalar(space)? {
            Scalar::Int(value) => Ok(value),
            Scalar::Float(_) => Err(ExprError::NotAnInteger),
        }
    }

    /// Its number.
    pub(super) fn scalar(&self, space: &dyn Space) -> Result<Scalar, ExprError> {
        match self {
            Self::Number(value) => Ok(Scalar::Int(*value)),
            Self::Float(value) => Ok(Scalar::Float(*value)),
            Self::Value(value) => {
                value.scalar(space).map_err(|err| ExprError::Value(err.to_string()))
            }
            Self::Text(_) => Err(ExprError::Value("a text is not a number".to_owned())),
            Self::Vector(_) => {
                let problem =
                    "a vector register is several numbers: name one, as in xmm0.v4_float[0]";
                Err(ExprError::Value(problem.to_owned()))
            }
            Self::Lanes(_) | Self::Items { .. } => {
                Err(ExprError::Value("several values are no number".to_owned()))
            }
        }
    }

    /// Its text, if it is one.
    pub(super) fn text(&self, space: &dyn Space) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Value(value) => text_of(value, space),
            _ => None,
        }
    }
}
