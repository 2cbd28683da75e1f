//! Requests about what is shown: frames, code, displays, bookmarks, output and events.

use retake_model::{EventIndex, Signal};
use serde::{Deserialize, Serialize};

use crate::breakpoint::BreakpointId;
use crate::expr::Expression;
use crate::location::Location;

/// A frame of the selected task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameChoice {
    /// The one that is selected already.
    Selected,
    /// This one; the innermost is 0.
    Number(usize),
    /// So many towards the callers.
    Up(usize),
    /// So many towards the innermost.
    Down(usize),
}

/// Some machine code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisassembleRequest {
    /// The function that is shown; the selected frame's if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// Instructions at most; those around the place where the function has more.
    pub count: usize,
}

/// A command for the stops of a breakpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnHit {
    /// Which one.
    pub breakpoint: BreakpointId,
    /// The command that front ends run at its stops, after those that it has; none takes all of them away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// A name for the current moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBookmark {
    /// The name; a number of its own if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What runs do at a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandleSignal {
    /// Which one.
    #[serde(with = "crate::as_text::signal")]
    pub signal: Signal,
    /// What they do.
    pub action: SignalAction,
}

/// What runs do at a signal that does not end the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalAction {
    /// They stop right before it takes effect.
    Stop,
    /// They go on.
    Pass,
}

/// A call of a function of the program, in a copy of it that is thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRequest {
    /// The function, or its address.
    pub function: Location,
    /// Integers or addresses, as many as go in registers: six, or nine of a function of Go's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Expression>,
    /// Who runs meanwhile.
    #[serde(default, skip_serializing_if = "CallThreads::is_alone")]
    pub threads: CallThreads,
}

/// Who runs while a function is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallThreads {
    /// The thread that calls it: a call that would wait for another one is ended.
    #[default]
    Alone,
    /// All threads, in turn with it.
    All,
}

impl CallThreads {
    const fn is_alone(&self) -> bool {
        matches!(self, Self::Alone)
    }
}

/// Some events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsRequest {
    /// The first; those around the current moment if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<EventIndex>,
    /// How many at most.
    pub count: usize,
}

/// A setting of a front end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value; none takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Where sources are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Substitution {
    /// What paths begin with that the compiler wrote.
    pub from: String,
    /// What they begin with here; none takes the rule away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
