//! What a line asks for.

use retake_debugger::{FrameChoice, Request};

/// A line that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Something of the debugger, and how its answer is shown.
    Request(Request, Shown),
    /// To run a file of commands.
    Script(String),
    /// To run one line with another thread or frame selected.
    Within(Scope, String),
    /// That the answer before has a text in it.
    Expect(String),
    /// To change how things are shown, and to show that.
    Config(Change),
    /// To write down what is done, or no longer.
    Transcript(Option<NewTranscript>),
    /// What the commands are; all of them, if the name is empty.
    Help(String),
    /// To leave.
    Exit,
}

impl Asked {
    /// A request whose answer needs no further words.
    pub(crate) const fn plainly(request: Request) -> Self {
        Self::Request(request, Shown::Plainly)
    }

    /// Whether nothing moves, and no other lines are run.
    pub(crate) fn only_looks(&self) -> bool {
        match self {
            Self::Request(request, _) => !matches!(
                request,
                Request::Run { .. }
                    | Request::RunTo(_)
                    | Request::Step(_)
                    | Request::Seek(_)
                    | Request::Last(_)
            ),
            Self::Within(_, line) => {
                crate::commands::parse(line).is_ok_and(|asked| asked.only_looks())
            }
            Self::Help(_) | Self::Expect(_) => true,
            Self::Script(_) | Self::Config(_) | Self::Transcript(_) | Self::Exit => false,
        }
    }
}

/// Where one line is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In a thread: its number in the recording, else its tid in the program.
    Thread(u32),
    /// In a frame.
    Frame(FrameChoice),
    /// In a goroutine.
    Goroutine(u64),
}

/// A change of how things are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// None.
    Nothing,
    /// A setting gets a value.
    Set(String, String),
    /// A command gets another name.
    Alias {
        /// The command.
        of: &'static str,
        /// The name.
        name: String,
    },
    /// A name of that kind goes.
    Unalias(String),
}

/// A file that commands and answers are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewTranscript {
    pub(crate) file: String,
    pub(crate) begin: Begin,
}

/// What of a file stays that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    AtItsEnd,
    Empty,
}

/// How an answer is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// As it is.
    Plainly,
    /// Memory, in items.
    Items {
        /// Bytes in each.
        size: usize,
        /// Their form.
        format: Format,
    },
    /// An assertion, by its text.
    Assertion(String),
    /// Hits, as a table for other programs.
    Table(TableForm),
}

/// The form of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableForm {
    /// Commas between the cells.
    Csv,
    /// An object a line.
    Json,
}

/// The form of an integer in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Hex,
    Dec,
    Oct,
    Bin,
    Raw,
}
