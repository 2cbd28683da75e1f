//! Why a recording could not be made or finished.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use retake_ptrace::{PtraceError, SpawnError};
use retake_recording::RecordingError;
use retake_tracee::InjectError;

/// Recording failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no such program.
    #[error("{program:?}: no such program (looked along PATH)")]
    NotFound {
        /// As it was given.
        program: OsString,
    },
    /// The program cannot be executed.
    #[error("{program:?}: {error}")]
    CannotExecute {
        /// As it was given.
        program: OsString,
        /// The kernel's answer.
        error: std::io::Error,
    },
    /// The program, or the interpreter of the script, is for 32-bit processes.
    #[error("{}: {} a 32-bit program, and only those of x86-64 can be recorded", program.display(), which(program, file))]
    ThirtyTwoBit {
        /// As it was given.
        program: PathBuf,
        /// The file that is one.
        file: PathBuf,
    },
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

/// "it is", or which interpreter is.
fn which(program: &Path, file: &Path) -> String {
    if program == file {
        return "it is".to_owned();
    }
    format!("its interpreter {} is", file.display())
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
            Self::NotFound { .. } => 127,
            Self::CannotExecute { .. } | Self::ThirtyTwoBit { .. } => 126,
            _ => 125,
        }
    }
}
