//! `retake completions`: what a shell completes the command with.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::Cli;
use crate::failure::Failure;
use crate::output::Out;

/// Print what makes a shell complete this command
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  retake completions bash > ~/.local/share/bash-completion/completions/retake
  retake completions zsh > ~/.zfunc/_retake
  retake completions fish > ~/.config/fish/completions/retake.fish";

impl CompletionsArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let mut text = Vec::new();
        generate(self.shell, &mut Cli::command(), "retake", &mut text);
        let mut out = Out::new();
        out.line(String::from_utf8_lossy(&text).trim_end())?;
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
