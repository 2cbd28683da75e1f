//! `retake stop`: ends a recording that is being made.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use retake_recorder::ask_to_end;
use retake_recording::live::recorder_of;

use super::Which;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::Out;

/// How often it is looked whether the recording is closed.
const LOOK: Duration = Duration::from_millis(5);

const EXAMPLES: &str = "\
Examples:
  retake stop                                the recording that was begun last";

/// End a recording that is being made, and the program with it
///
/// Comes back when the recording is closed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    which: Which,
}

/// Whether a process has a file in this folder open: numbers of another PID namespace mean others here.
fn has_open(pid: impl std::fmt::Display, dir: &Path) -> bool {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(dir)))
}

impl StopArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let home = Home::find()?;
        let dir = home.resolve(self.which.recording.as_deref())?;
        let name = home.name_of(&dir);
        let Some(recorder) = recorder_of(&dir) else {
            return Err(Failure::text(format!("{name} is not being recorded (any more)")));
        };
        if !has_open(recorder, &dir) {
            return Err(Failure::text(format!(
                "{name} is being recorded, but not from here: its recorder is process {recorder} in another container or on another machine"
            )));
        }
        ask_to_end(recorder).map_err(|err| {
            Failure::text(format!("failed to stop the recorder of {name} ({recorder}): {err}"))
        })?;
        while recorder_of(&dir) == Some(recorder) {
            std::thread::sleep(LOOK);
        }
        let mut out = Out::new();
        out.line(format_args!("{name} is closed"))?;
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
