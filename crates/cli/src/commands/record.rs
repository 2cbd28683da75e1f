//! `retake record`: runs a program and records it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use retake_recorder::{Calls, RecordOptions, Recorded, record};
use retake_recording::{Recording, is_recording};

use crate::failure::{Failure, OURS, chain};
use crate::home::{Home, create_private};
use crate::output::notice;
use crate::{store, text};

/// Run a program and record it
///
/// Exits as the program does (128+n where signal n ended it), or with 127 if there is no such
/// program, 126 if it cannot be executed, 125 if it cannot be recorded.
#[derive(Debug, clap::Args)]
#[command(override_usage = "retake record [OPTIONS] [--] PROGRAM [ARGS]...")]
pub(crate) struct RecordArgs {
    /// Put the recording into this folder, which must be new or empty
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Run time between checkpoints, such as 250ms, 1s or 2m
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = text::parse_duration)]
    checkpoint_every: Duration,
    /// Take the CPU from tasks at random moments, so that a race shows sooner
    #[arg(long)]
    chaos: bool,
    /// What --chaos draws its moments from; another number each time by default
    #[arg(long, value_name = "N", requires = "chaos")]
    seed: Option<u64>,
    /// Stop the program at each system call, and leave its code as it is: short calls that come often
    /// cost much more
    #[arg(long)]
    trace_all_calls: bool,
    /// Check for every system call that the kernel wrote only what retake's table says: slow, and an
    /// error if it did not
    #[arg(long)]
    audit: bool,
    /// Say nothing at the end
    #[arg(short, long)]
    quiet: bool,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

/// Another number each time.
fn seed() -> u64 {
    use std::hash::BuildHasher;
    std::collections::hash_map::RandomState::new().hash_one(std::process::id()) >> 32
}

impl RecordArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let ours = |failure: Failure| failure.with_code(OURS);
        let home = Home::find().map_err(|err| ours(err.into()))?;
        let place = self.prepare(&home).map_err(ours)?;
        let options = RecordOptions {
            dir: place.dir.clone(),
            store: home.store(),
            command: self.command.clone(),
            checkpoint_every: self.checkpoint_every,
            chaos: self.chaos.then(|| self.seed.unwrap_or_else(seed)),
            calls: if self.trace_all_calls { Calls::Traced } else { Calls::MayBeFast },
            audit: self.audit,
        };
        let using = store::use_store(&options.store);
        let result = record(&options);
        drop(using);
        match result {
            Ok(recorded) => {
                if !self.quiet {
                    summarize(&recorded);
                }
                failed_audit(&recorded)?;
                Ok(ExitCode::from(recorded.status.shell_code()))
            }
            Err(err) => {
                let mut text = chain(&err);
                if is_recording(&place.dir) {
                    let dir = place.dir.display();
                    text.push_str(&format!("\n  what was recorded until then is in {dir}"));
                } else {
                    place.give_back(&home);
                }
                Err(Failure::text(text).with_code(err.exit_code()))
            }
        }
    }

    /// Makes the folder, and makes it the latest recording: also one that ends by a SIGKILL of ours
    /// must be found.
    fn prepare(&self, home: &Home) -> Result<Place, Failure> {
        home.create()?;
        let (dir, made) = match (&self.output, self.command.first()) {
            (Some(dir), _) => output_folder(dir)?,
            (None, Some(program)) => (home.claim(program)?, true),
            (None, None) => return Err(Failure::text("no program was given")),
        };
        let latest_before = home.latest_target();
        if let Err(err) = home.set_latest(&dir) {
            notice(&err);
        }
        Ok(Place { dir, made, latest_before })
    }
}

/// The folder that `-o` names, and whether it was made here.
fn output_folder(dir: &Path) -> Result<(PathBuf, bool), Failure> {
    let shown = dir.display();
    if is_recording(dir) {
        return Err(Failure::text(format!(
            "{shown} holds a recording already: choose another folder, or delete it with `retake rm {shown}`"
        )));
    }
    let made = !dir.exists();
    let failed = |err| Failure::text(format!("failed to create {shown}: {err}"));
    if made {
        create_private(dir).map_err(failed)?;
    } else if fs::read_dir(dir).map_err(failed)?.next().is_some() {
        // `retake rm` deletes the whole folder: nothing else may be in it.
        return Err(Failure::text(format!("{shown} is not empty: choose a new or empty folder")));
    }
    Ok((fs::canonicalize(dir).map_err(failed)?, made))
}

/// Where a recording is about to be written.
struct Place {
    dir: PathBuf,
    made: bool,
    latest_before: Option<PathBuf>,
}

impl Place {
    /// Undoes the preparation after nothing was recorded. What fails here is only untidy.
    fn give_back(&self, home: &Home) {
        if self.made {
            let _ = fs::remove_dir(&self.dir);
        }
        let _ = match &self.latest_before {
            Some(before) => home.set_latest(before),
            None => home.repair_latest(),
        };
    }
}

/// An audit that found something is an error, whatever the program's end was.
fn failed_audit(recorded: &Recorded) -> Result<(), Failure> {
    if recorded.violations.is_empty() {
        return Ok(());
    }
    let mut text = format!(
        "the audit found {}:",
        text::count(recorded.violations.len().try_into().unwrap_or(u64::MAX), "wrong call")
    );
    for violation in &recorded.violations {
        text.push_str("\n  ");
        text.push_str(violation);
    }
    Err(Failure::text(text).with_code(OURS))
}

fn summarize(recorded: &Recorded) {
    let summary = &recorded.summary;
    // What was recorded just now can be read; if not, the next command says why.
    let recording = Recording::open(&summary.dir);
    for warning in recording.iter().flat_map(|r| &r.manifest().warnings) {
        notice(format_args!("warning: {warning}"));
    }
    notice(format_args!(
        "recorded to {}: {}, {}, {}, {}",
        summary.dir.display(),
        text::count(summary.events, "event"),
        text::count(summary.checkpoints.into(), "checkpoint"),
        text::size(summary.bytes),
        text::duration(recorded.took),
    ));
}
