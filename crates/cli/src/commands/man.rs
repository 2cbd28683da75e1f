//! `retake man`: manual pages.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::Cli;
use crate::failure::Failure;
use crate::output::Out;

/// Write manual pages, one for each command, into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// The folder, which is made if need be
    folder: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  retake man ~/.local/share/man/man1 && man retake-record";

impl ManArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let failed = |error: std::io::Error| {
            let folder = self.folder.display();
            Failure::text(format!("failed to write manual pages into {folder}: {error}"))
        };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.folder).map_err(failed)?;
        let mut out = Out::new();
        out.line(format_args!("manual pages are in {}", self.folder.display()))?;
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
