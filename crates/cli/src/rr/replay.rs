//! `rr replay`: re-executes a recording.

use std::ffi::OsString;
use std::process::ExitCode;

use super::traces::Traces;
use crate::commands::replay_with_output;
use crate::failure::Failure;

/// Re-execute a trace
#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// To its end, with the program's output and exit status
    #[arg(short, long, required = true)]
    autopilot: bool,
    /// Folder or name of the trace [default: the latest]
    #[arg(value_name = "TRACE")]
    trace: Option<OsString>,
}

impl ReplayArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        replay_with_output(&Traces::find()?.open(self.trace.as_deref())?)
    }
}
