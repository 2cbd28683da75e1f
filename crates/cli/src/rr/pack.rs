//! `rr pack`: makes a trace whole by itself. Recordings always are.

use std::ffi::OsString;
use std::process::ExitCode;

use super::traces::Traces;
use crate::failure::Failure;
use crate::output::notice;

/// Nothing to do: a recording keeps every file it needs
#[derive(Debug, clap::Args)]
pub(super) struct PackArgs {
    /// Symbols need no pruning either
    #[arg(long, hide = true)]
    symlink: bool,
    /// Folders or names of traces [default: the latest]
    #[arg(value_name = "TRACE")]
    traces: Vec<OsString>,
}

impl PackArgs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let traces = Traces::find()?;
        let mut names: Vec<_> = self.traces.iter().map(|name| Some(name.as_os_str())).collect();
        if names.is_empty() {
            names.push(None);
        }
        for name in names {
            let recording = traces.open(name)?;
            notice(format_args!(
                "nothing to pack: {} keeps every file it needs, and may be copied anywhere",
                recording.dir().display()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
