//! Why a recording could not be made or finished.

use retake_ptrace::{PtraceError, SpawnError};
use retake_recording::RecordingError;
use retake_tracee::InjectError;

use crate::start::program::ProgramError;

/// Recording failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The program cannot be executed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// It could not be started under ptrace.
    #[error("failed to start the program: {0}")]
    Spawn(SpawnError),
    /// The recording could not be written.
    #[error("failed to write the recording: {0}")]
    Write(#[from] RecordingError),
    /// A ptrace operation failed.
    #[error("failed to follow the program: {0}")]
    Ptrace(#[from] PtraceError),
    /// An injected call failed.
    #[error("failed to follow the program: {0}")]
    Inject(#[from] InjectError),
    /// The system refused something else.
    #[error("failed to {attempt}: {error}")]
    System {
        /// What was attempted.
        attempt: &'static str,
        /// The system's answer.
        error: std::io::Error,
    },
    /// The program did something that cannot be recorded.
    #[error("cannot record this: {0}")]
    Unsupported(String),
}

impl RecordError {
    /// Whether a recorded task went away in the middle of an operation, which is no failure.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Ptrace(error) => error.is_gone(),
            Self::Inject(error) => error.is_gone(),
            _ => false,
        }
    }

    /// Exit code that `retake record` gives for this: 126, 127, else 125.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Program(error) => error.exit_code(),
            _ => 125,
        }
    }
}
