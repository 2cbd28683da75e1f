//! `rr traceinfo`: what is known about a recording, as JSON.

use std::process::ExitCode;

use super::traces::Which;
use crate::commands;
use crate::failure::Failure;
use crate::output::Out;

/// Print what is known about a trace, as JSON
#[derive(Debug, clap::Args)]
pub(super) struct TraceinfoArgs {
    #[command(flatten)]
    which: Which,
}

impl TraceinfoArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut out = Out::new();
        out.json(&commands::everything(&self.which.open()?))?;
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
