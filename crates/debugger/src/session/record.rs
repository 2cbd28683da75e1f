//! The lines of a journal.
//!
//! Each is `{"sum":"CHECKSUM","record":RECORD}` with the XXH3 (64 bits, 16 hex digits) of the
//! record's text. The first is an `open` with the format's version. A `begin` is written before a
//! request is done and the `end` of the same `seq` after it. A `resume` says that another debugger
//! went on: what had begun before it and not ended never will. Another `open` says that what follows
//! is of a later version.
//!
//! In version 1 a `begin` has no request, only the line that somebody wrote; a `source` is among
//! them, and the commands of its script lie between its `begin` and its `end`. What an `end` holds is
//! the same in both.

use std::io::{self, Write};

use retake_model::{Position, TaskId};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

use crate::bookmarks::Bookmarks;
use crate::breakpoint::Breakpoints;
use crate::displays::Displays;
use crate::settings::Settings;
use crate::sources::Sources;
use crate::watches::Watches;
use crate::{BreakpointId, Request};

/// The version of this format. 1: lines only. 2: requests, and a hash chain over them.
pub const VERSION: u32 = 2;

/// The oldest version that is read.
pub(super) const OLDEST: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// The first line.
    Open {
        /// The format.
        version: u32,
    },
    /// A request is about to be done.
    Begin(Begin),
    /// A request was done, well or not.
    End(Box<End>),
    /// Another debugger went on from here.
    Resume,
}

/// A request is about to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The request's number, from 1.
    pub seq: u64,
    /// The line that somebody wrote; the request's JSON where nobody did.
    pub command: String,
    /// The request. A later version may write one that this one does not know, which must not cost
    /// the session: so it is not looked into here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<serde_json::Value>,
}

impl Begin {
    /// The request, if there is one and this version knows it.
    pub fn request(&self) -> Option<Request> {
        Request::deserialize(self.request.as_ref()?).ok()
    }
}

/// A request was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The request's number.
    pub seq: u64,
    /// What the debugger was at after it.
    pub state: SavedState,
    /// The hash chain up to here.
    pub chain: String,
    /// Somebody cancelled it: done again, it would have another answer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancelled: bool,
}

/// What a debugger is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedState {
    /// The moment.
    #[serde(with = "crate::as_text")]
    pub position: Position,
    /// The task that runs there.
    pub task: TaskId,
    /// The task that requests look at, if it is another.
    pub selected: Option<TaskId>,
    /// The goroutine that requests look at, if it is on no thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goroutine: Option<u64>,
    /// Which of its frames.
    #[serde(default, skip_serializing_if = "is_innermost")]
    pub frame: usize,
    #[serde(default, skip_serializing_if = "Displays::is_empty")]
    pub(crate) displays: Displays,
    #[serde(default, skip_serializing_if = "Bookmarks::is_empty")]
    pub(crate) bookmarks: Bookmarks,
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub(crate) sources: Sources,
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub(crate) settings: Settings,
    pub(crate) breakpoints: Breakpoints,
    #[serde(default)]
    pub(crate) watches: Watches,
    /// The breakpoints of the last list of hits.
    pub(crate) hits_of: Vec<BreakpointId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_innermost(frame: &usize) -> bool {
    *frame == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

pub(super) const BEFORE_SUM: &str = "{\"sum\":\"";
pub(super) const AFTER_SUM: &str = "\",\"record\":";

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

/// The chain after a request: a hash over the chain before it, the request, the position after it,
/// and the answer.
pub(super) fn chain(before: &str, request: &str, position: Position, answer: u128) -> String {
    let position = position.to_string();
    let mut bytes = answer.to_le_bytes().to_vec();
    for part in [before, request, &position] {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    format!("{:032x}", xxh3_128(&bytes))
}

/// A hash over the JSON of an answer, which is not kept: a list of hits can be long.
pub(super) fn hash_of(answer: &impl Serialize) -> Result<u128, serde_json::Error> {
    struct Hashing(Xxh3);
    impl Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hashing = Hashing(Xxh3::new());
    serde_json::to_writer(&mut hashing, answer)?;
    Ok(hashing.0.digest128())
}
