//! `retake debug`: the debugger on a recording.

use std::process::ExitCode;

use retake_replayer::Timeline;

use super::Which;
use crate::debug::DebugArgs;
use crate::failure::Failure;
use crate::output::notice;
use crate::progress;

const EXAMPLES: &str = "\
Examples:
  retake debug                               the latest recording, at its failure or at main
  retake debug sort-3 --init breaks.txt
  echo 'break work\\ncontinue\\nstack' | retake debug run1 --batch";

/// Debug a recording: stop at breakpoints, go back, look at any moment
///
/// Commands come from --init, then from a prompt or from standard input; `help` lists them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DebugCommand {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    args: DebugArgs,
}

impl DebugCommand {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let recording = self.which.open()?;
        if let Some(loss) = recording.loss() {
            notice(loss);
        }
        let dir = recording.dir().to_owned();
        let timeline = Timeline::open(recording, progress::control())?;
        Ok(crate::debug::run(&self.args, &dir, Box::new(timeline)))
    }
}
