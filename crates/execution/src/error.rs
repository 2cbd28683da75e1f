//! What can go wrong while moving through a recording.

use std::error::Error;
use std::fmt;

use retake_model::{EventIndex, TaskId};

/// An operation on an execution failed.
#[derive(Debug)]
pub struct ExecutionError {
    attempt: String,
    kind: ErrorKind,
}

/// Why it failed.
#[derive(Debug)]
pub enum ErrorKind {
    /// What was asked for does not exist (a task, a moment, an address). The text says what.
    NotFound(String),
    /// The replay did not do what was recorded.
    Divergence(Box<Divergence>),
    /// Somebody asked to stop.
    Interrupted,
    /// The recording or the system let us down.
    Failed(Box<dyn Error + Send + Sync>),
}

/// A replay that differs from its recording: what was expected, what was seen, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The event at which it was seen (the one that did not match, or the one a checkpoint follows).
    pub event: EventIndex,
    /// The task, if one is concerned.
    pub task: Option<TaskId>,
    /// What differs, in a few words (`registers at the entry of read`).
    pub what: String,
    /// As recorded.
    pub expected: String,
    /// As seen.
    pub actual: String,
    /// The events around it, a line each, in order.
    pub context: Vec<String>,
}

impl ExecutionError {
    /// An error of `kind` while attempting `attempt` ("seek to event 17").
    pub fn new(attempt: impl Into<String>, kind: ErrorKind) -> Self {
        Self { attempt: attempt.into(), kind }
    }

    /// Why it failed.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The divergence, if it is one.
    pub fn divergence(&self) -> Option<&Divergence> {
        match &self.kind {
            ErrorKind::Divergence(divergence) => Some(divergence),
            _ => None,
        }
    }
}

impl fmt::Display for ExecutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}: ", self.attempt)?;
        match &self.kind {
            ErrorKind::NotFound(what) => f.write_str(what),
            ErrorKind::Divergence(divergence) => divergence.fmt(f),
            ErrorKind::Interrupted => f.write_str("interrupted"),
            ErrorKind::Failed(source) => source.fmt(f),
        }
    }
}

impl Error for ExecutionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            ErrorKind::Failed(source) => source.source(),
            _ => None,
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the replay diverges from the recording at event {}", self.event)?;
        if let Some(task) = self.task {
            write!(f, " (task {task})")?;
        }
        write!(f, ": {}\n  expected: {}\n  actual:   {}", self.what, self.expected, self.actual)?;
        for line in &self.context {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
