//! `retake follow`: runs a command for `retake hunt`, and records some of the programs that it starts.

use std::ffi::OsString;
use std::process::ExitCode;

use retake_recorder::follow;

use crate::failure::{Failure, OURS, chain};
use crate::hunt::matches;

/// Run a command, and record the programs that it starts and that match
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct FollowArgs {
    /// Which; without it those that ctest starts
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// The command that is to stand before each of them, a word each
    #[arg(long = "word", value_name = "WORD", allow_hyphen_values = true)]
    words: Vec<OsString>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl FollowArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let followed = follow(&self.command, &mut |executed| {
            let wanted = match &self.only {
                Some(pattern) => matches(pattern, &executed.path.to_string_lossy()),
                None => {
                    let parent = executed.parent.as_ref().and_then(|parent| parent.file_name());
                    parent.is_some_and(|name| name == "ctest")
                }
            };
            wanted.then(|| self.words.clone())
        });
        match followed {
            Ok(status) => Ok(ExitCode::from(status.shell_code())),
            Err(err) => Err(Failure::text(chain(&err)).with_code(OURS)),
        }
    }
}
