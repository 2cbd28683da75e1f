//! Errors of the machinery below a replay, on their way to [`ExecutionError`].

use retake_execution::{Divergence, ErrorKind, ExecutionError};
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
