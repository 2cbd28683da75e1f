//! Frames, code, displays, bookmarks, output and what calls returned.

use retake_model::{Addr, EventIndex, Position};
use serde::{Deserialize, Serialize};

use crate::code::SourceLine;
use crate::expr::Expression;

/// An expression that is shown at every stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisplayView {
    /// Its number, from 1; never used twice in a session.
    pub id: u32,
    /// The expression.
    pub expression: Expression,
    /// Its value, if it has one here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionView {
    /// Where it is.
    pub addr: Addr,
    /// Its bytes, in hexadecimal.
    pub bytes: String,
    /// The instruction, in Intel's form.
    pub text: String,
    /// The source line that begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceLine>,
    /// Whether the selected frame goes on here.
    pub here: bool,
}

/// Machine code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeView {
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Its instructions, or those of them that were asked for.
    pub instructions: Vec<InstructionView>,
}

/// A named moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookmarkView {
    /// Its name.
    pub name: String,
    /// The moment.
    #[serde(with = "crate::as_text")]
    pub position: Position,
    /// Where it is, in words.
    pub place: String,
}

/// Which stream something was printed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something that the program printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrintedView {
    /// The event by which it was written; none in a diversion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventIndex>,
    /// Where to.
    pub stream: StreamName,
    /// What; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// What a call of a function led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledView {
    /// What it returned in the first result register, in hexadecimal.
    pub value: String,
    /// What it printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<PrintedView>,
}
