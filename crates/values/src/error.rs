//! Why there is no value.

use retake_model::Addr;

/// Why a variable, or a part of one, has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Missing {
    /// The compiler keeps it nowhere at this place.
    #[error("optimized out ({0})")]
    OptimizedOut(&'static str),
    /// A register whose value in this frame is not known: an inner function may have changed it.
    #[error("not saved (register {0} was not kept by the functions that were called)")]
    NotSaved(String),
    /// Nothing is mapped there.
    #[error("nothing is mapped at {0}")]
    NotMapped(Addr),
    /// It is too large to be read as a whole.
    #[error("{0} bytes are too many to be read at once")]
    TooLarge(u64),
    /// The debug information is damaged, or says it in a form that is not supported.
    #[error("the debug information does not say: {0}")]
    Unclear(String),
}

impl From<gimli::Error> for Missing {
    fn from(err: gimli::Error) -> Self {
        Self::Unclear(err.to_string())
    }
}

/// Why an operation on a value is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The type has no such part.
    #[error("{of} has no field {name}{}", known(.fields))]
    NoField {
        /// The type.
        of: String,
        /// What was asked for.
        name: String,
        /// What there is.
        fields: Vec<String>,
    },
    /// It cannot be followed.
    #[error("{0} is not a pointer")]
    NotAPointer(String),
    /// It has no elements.
    #[error("{0} has no elements")]
    NoElements(String),
    /// There is no such element.
    #[error("there is no element {index}: the length is {len}")]
    OutOfRange {
        /// What was asked for.
        index: i128,
        /// How many there are.
        len: u64,
    },
    /// There is no such key.
    #[error("there is no key {0}")]
    NoKey(String),
    /// It is not in memory.
    #[error("it is in a register or computed: it has no address")]
    NoAddress,
    /// It is no number.
    #[error("{0} is not a number")]
    NotANumber(String),
    /// It has no value.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// The fields of a type, some of them at most.
fn known(fields: &[String]) -> String {
    const MOST: usize = 12;
    if fields.is_empty() {
        return String::new();
    }
    let more = if fields.len() > MOST { ", ..." } else { "" };
    let shown: Vec<&str> = fields.iter().take(MOST).map(String::as_str).collect();
    format!(" (it has {}{more})", shown.join(", "))
}
