//! `retake rm`: deletes recordings.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use retake_recording::disk_usage;
use retake_recording::live::recorder_of;

use crate::failure::Failure;
use crate::freed;
use crate::home::Home;
use crate::output::Out;
use crate::{store, text};

/// Delete recordings, and the kept files that no other recording needs
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RmArgs {
    /// Folders or names of recordings, or patterns of names (`*`, `?`, `[a-z]`)
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  retake rm sort-3
  retake rm 'cargo-*'     all recordings of cargo; quoted, or the shell looks for files of that name";

impl RmArgs {
    /// The recordings that are meant. A name that is wrong is an error before anything is deleted.
    fn dirs(&self, home: &Home) -> Result<BTreeSet<PathBuf>, Failure> {
        let mut dirs = BTreeSet::new();
        for name in &self.recordings {
            let is_pattern = name.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte));
            match home.resolve(Some(name)) {
                Ok(dir) => dirs.extend([dir]),
                Err(_) if is_pattern => dirs.extend(home.matching(name)?),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(dirs)
    }

    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let home = Home::find()?;
        let dirs = self.dirs(&home)?;
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
            if home.is_ours(dir) {
                // Where it fails, the name is given away sooner.
                let _ = freed::remember(dir);
            }
            freed += bytes;
            out.line(format_args!("removed {name}"))?;
        }
        freed += store::tidy(&home)?;
        out.line(format_args!("freed {}", text::size(freed)))?;
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
