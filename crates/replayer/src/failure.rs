//! Errors of the machinery below a replay, on their way to [`ExecutionError`].

use retake_execution::{Divergence, ErrorKind, ExecutionError};
use retake_model::Signal;
use retake_ptrace::{PtraceError, SpawnError};
use retake_recording::RecordingError;
use retake_tracee::InjectError;

/// What went wrong inside of a replay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Divergence(Box<Divergence>),
    #[error("interrupted")]
    Interrupted,
    #[error("what is watched lies on a page that is written to all the time")]
    BusyPage,
    #[error(
        "a replayed process was killed by {0}: by somebody, or by the kernel because memory ran out (`dmesg` says so then); the recording is unharmed, so try again, with more free memory if there was too little"
    )]
    Killed(Signal),
    #[error(transparent)]
    Ptrace(#[from] PtraceError),
    #[error(transparent)]
    Inject(#[from] InjectError),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("{0}")]
    System(#[from] std::io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    NotFound(String),
}

impl Failure {
    /// The signal that ended the process, where this error says no more than that the process is gone.
    pub(crate) fn killed_by(&self) -> Option<Signal> {
        match self {
            Self::Killed(signal) => Some(*signal),
            Self::Ptrace(error) if error.is_gone() => Some(Signal::KILL),
            Self::Inject(error) if error.is_gone() => Some(Signal::KILL),
            Self::Spawn(SpawnError::Died) => Some(Signal::KILL),
            _ => None,
        }
    }

    pub(crate) fn while_doing(self, attempt: impl Into<String>) -> ExecutionError {
        let kind = match self {
            Self::Divergence(divergence) => ErrorKind::Divergence(divergence),
            Self::Interrupted => ErrorKind::Interrupted,
            Self::NotFound(what) => ErrorKind::NotFound(what),
            other => ErrorKind::Failed(Box::new(other)),
        };
        ExecutionError::new(attempt, kind)
    }
}
