//! `rr ls`: the recordings there are.

use std::process::ExitCode;

use super::traces::Traces;
use crate::failure::Failure;
use crate::output::Out;

/// Print the names of the traces
#[derive(Debug, clap::Args)]
pub(super) struct LsArgs {
    /// Print more
    #[arg(short, long)]
    long_listing: bool,
}

impl LsArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let traces = Traces::find()?;
        let all = retake_recording::list(traces.folder());
        let mut out = Out::new();
        if self.long_listing {
            crate::commands::print_list(&mut out, traces.home(), &all)?;
        } else {
            for (dir, _) in &all {
                out.line(dir.file_name().unwrap_or_default().display())?;
            }
        }
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
