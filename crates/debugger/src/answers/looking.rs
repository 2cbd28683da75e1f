//! The state at a moment.

use retake_model::{Addr, RegisterName, SyscallNo, TaskId, Tid};
use serde::{Deserialize, Serialize};

use super::VariableView;
use crate::code::{CodeFrame, SourceLine};

/// A place in code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceView {
    /// The address.
    pub pc: Addr,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The source line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceLine>,
}

impl PlaceView {
    /// An address with what is known of the code there.
    pub(crate) fn new(pc: Addr, frame: Option<&CodeFrame>) -> Self {
        Self {
            pc,
            function: frame.and_then(|frame| frame.function.clone()),
            source: frame.and_then(|frame| frame.source.clone()),
        }
    }
}

/// One frame of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameView {
    /// Its number, from 0.
    pub n: usize,
    /// Where it is.
    pub place: PlaceView,
    /// Whether its function is inlined into the next frame's.
    pub inlined: bool,
    /// Its variables, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<VariableView>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadView {
    /// Which one.
    pub task: TaskId,
    /// The program's number for it.
    pub tid: Tid,
    /// Its process.
    pub pid: Tid,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: PlaceView,
    /// The system call it waits in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_syscall: Option<SyscallNo>,
    /// Whether it is the one that runs.
    pub running: bool,
    /// Whether requests look at it.
    pub selected: bool,
}

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterView {
    /// Its name.
    pub name: RegisterName,
    /// Its value.
    pub value: u64,
}

/// Memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryView {
    /// The first address.
    pub addr: Addr,
    /// What is there.
    pub bytes: Vec<u8>,
}

/// Source text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    /// The file.
    pub file: String,
    /// The lines.
    pub lines: Vec<LineView>,
    /// The frame that this is the source of, where that is not the innermost one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<FrameView>,
}

/// One line of source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineView {
    /// Its number.
    pub line: u32,
    /// Its text.
    pub text: String,
    /// Whether it is the one that was asked for.
    pub here: bool,
    /// Whether the file was changed after the recording: the program may have been made of another text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub newer: bool,
}
