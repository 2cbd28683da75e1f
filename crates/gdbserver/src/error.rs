//! What ends a server early.

use std::io;

use retake_execution::ExecutionError;

/// A server could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No client can be waited for.
    #[error("failed to wait for a debugger: {0}")]
    Accept(#[source] io::Error),
    /// The recording cannot be brought to where a client is to find it.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The process that was asked for is not in the recording.
    #[error("there is no process {pid} in the recording: it has {known}")]
    NoProcess {
        /// The one that was asked for.
        pid: i32,
        /// Those that there are.
        known: String,
    },
}
