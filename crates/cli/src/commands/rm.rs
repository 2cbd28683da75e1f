//! `retake rm`: deletes recordings.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::ExitCode;

use retake_recording::disk_usage;
use retake_recording::live::recorder_of;

use crate::failure::Failure;
use crate::home::Home;
use crate::output::Out;
use crate::{store, text};

/// Delete recordings, and the kept files that no other recording needs
#[derive(Debug, clap::Args)]
pub(crate) struct RmArgs {
    /// Folders or names of recordings
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<OsString>,
}

impl RmArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let home = Home::find()?;
        // A name that is wrong deletes nothing.
        let dirs = self.recordings.iter().map(|name| home.resolve(Some(name)));
        let dirs = dirs.collect::<Result<BTreeSet<_>, _>>()?;
        for dir in &dirs {
            if let Some(pid) = recorder_of(dir) {
                let name = home.name_of(dir);
                return Err(Failure::text(format!(
                    "{name} is still being recorded, by process {pid}: `retake stop {name}` stops it"
                )));
            }
        }
        let mut out = Out::new();
        let mut freed = 0;
        for dir in &dirs {
            let (name, bytes) = (home.name_of(dir), disk_usage(dir));
            retake_recording::remove(dir)?;
            freed += bytes;
            out.line(format_args!("removed {name}"))?;
        }
        freed += store::tidy(&home)?;
        out.line(format_args!("freed {}", text::size(freed)))?;
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
