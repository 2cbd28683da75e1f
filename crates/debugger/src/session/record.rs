//! The lines of a journal.
//!
//! Each is `{"sum":"CHECKSUM","record":RECORD}` with the XXH3 (64 bits, 16 hex digits) of the
//! record's text. The first is an `open` with the format's version. A `begin` is written before a
//! command runs and the `end` of the same `seq` after it; commands of a script lie between the
//! `begin` and the `end` of its `source`. A `resume` says that another debugger went on: what had
//! begun before it and not ended never will.

use retake_model::TaskId;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::BreakpointId;
use crate::breakpoint::Breakpoints;

/// The version of this format. 1: the first.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// The first line.
    Open {
        /// The format.
        version: u32,
    },
    /// A command is about to run.
    Begin(Begin),
    /// A command ran, well or not.
    End(End),
    /// Another debugger went on from here.
    Resume,
}

/// A command is about to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The command's number, from 1.
    pub seq: u64,
    /// As it was written.
    pub command: String,
}

/// A command ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The command's number.
    pub seq: u64,
    /// What the debugger was at after it.
    pub state: SavedState,
    /// The hash chain up to here.
    pub chain: String,
}

/// What a debugger is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedState {
    /// The moment.
    pub position: String,
    /// The task that runs there.
    pub task: TaskId,
    /// The task that commands look at, if it is another.
    pub selected: Option<TaskId>,
    pub(crate) breakpoints: Breakpoints,
    /// The breakpoints of the last list of hits.
    pub(crate) hits_of: Vec<BreakpointId>,
}

const BEFORE_SUM: &str = "{\"sum\":\"";
const AFTER_SUM: &str = "\",\"record\":";

impl Record {
    /// The line, with its line end.
    pub(super) fn to_line(&self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        let sum = xxh3_64(text.as_bytes());
        Ok(format!("{BEFORE_SUM}{sum:016x}{AFTER_SUM}{text}}}\n"))
    }

    /// Reads a line without its line end; `None` if it is not whole.
    pub(super) fn from_line(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(BEFORE_SUM.as_bytes())?;
        let (sum, rest) = rest.split_at_checked(16)?;
        let text = rest.strip_prefix(AFTER_SUM.as_bytes())?.strip_suffix(b"}")?;
        let sum = u64::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
        if sum != xxh3_64(text) {
            return None;
        }
        serde_json::from_slice(text).ok()
    }
}

/// The chain after a command.
pub(super) fn chain(before: &str, command: &str, position: &str, output: &str) -> String {
    let mut bytes = Vec::new();
    for part in [before, command, position, output] {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    format!("{:032x}", xxh3_128(&bytes))
}
