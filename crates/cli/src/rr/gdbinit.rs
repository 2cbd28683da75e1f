//! `rr gdbinit`: what gdb has on a recording besides its own commands, for `~/.gdbinit`.

use std::process::ExitCode;

use crate::commands::GLUE;
use crate::failure::Failure;
use crate::output::Out;

/// Print the commands that gdb has on a trace, for a file that gdb reads
#[derive(Debug, clap::Args)]
pub(super) struct GdbinitArgs {}

impl GdbinitArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut out = Out::new();
        out.line(format_args!("python\n{}\nend", GLUE.trim_end()))?;
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
