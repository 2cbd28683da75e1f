//! `retake demo`: what retake is for, in half a minute.

use std::num::NonZeroU32;
use std::process::ExitCode;

use crate::demo;
use crate::failure::Failure;

/// Show what retake does: catch a flaky panic and go back to its cause
///
/// Compiles a small Rust program (rustc must be in PATH) that panics in some runs only, records it until it does,
/// debugs that recording, and kills the debugger on the way. The recording is kept.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Give up when this many runs did not panic
    #[arg(long, value_name = "N", default_value = "200")]
    attempts: NonZeroU32,
}

impl DemoArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        demo::run(self.attempts)?;
        Ok(ExitCode::SUCCESS)
    }
}
