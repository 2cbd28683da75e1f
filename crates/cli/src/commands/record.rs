//! `retake record`: runs a program and records it.

mod closing;
mod place;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use retake_recorder::{
    AtDeadlock, Calls, Front, FrontEnd, Leftover, Limits, Link, RecordOptions, Side, attend,
    record, split,
};
use retake_recording::is_recording;

use crate::failure::{Failure, OURS, chain};
use crate::home::Home;
use crate::{store, text};
use closing::{failed_audit, summarize};
use place::Place;

/// Run a program and record it
///
/// Records until the program's first process ends. Ctrl-C and other keys go to the program; three Ctrl-C
/// within a second, a second SIGTERM, or `retake stop` end the recording, and the program with it.
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
    /// Record until the last process has ended, not only the first
    #[arg(long)]
    wait: bool,
    /// Let processes that outlive the first one go on, without recording them; without this they are
    /// ended
    #[arg(long, conflicts_with = "wait")]
    leave_running: bool,
    /// Check for every system call that the kernel wrote only what retake's table says: slow, and an
    /// error if it did not
    #[arg(long)]
    audit: bool,
    /// End the recording, and the program with it, after this time
    #[arg(long, value_name = "DUR", value_parser = text::parse_duration)]
    time_limit: Option<Duration>,
    /// End the recording, and the program with it, when all tasks wait for each other
    #[arg(long)]
    end_deadlock: bool,
    /// Bind the program to this CPU
    #[arg(long, value_name = "N", hide = true)]
    cpu: Option<usize>,
    /// Make the recording one of this folder's, for `retake hunt`
    #[arg(long, value_name = "DIR", hide = true, conflicts_with = "output")]
    among: Option<PathBuf>,
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
        let Some(program) = self.command.first() else {
            return Err(ours(Failure::text("no program was given")));
        };
        let place = match &self.among {
            Some(dir) => Place::among(&home, dir),
            None => Place::prepare(&home, self.output.as_deref(), program),
        };
        let place = place.map_err(ours)?;
        // What this process is to the shell, it stays; its child records.
        match split() {
            Ok(Side::Front(front)) => stand_in(front, place, &home),
            Ok(Side::Tracer(link)) => self.trace(link, place, &home),
            Err(err) => {
                place.give_back(&home);
                Err(ours(Failure::text(format!("failed to start the recorder: {err}"))))
            }
        }
    }

    /// In the process that records.
    fn trace(&self, link: Link, place: Place, home: &Home) -> Result<ExitCode, Failure> {
        let options = RecordOptions {
            dir: place.dir.clone(),
            store: home.store(),
            command: self.command.clone(),
            checkpoint_every: self.checkpoint_every,
            chaos: self.chaos.then(|| self.seed.unwrap_or_else(seed)),
            calls: if self.trace_all_calls { Calls::Traced } else { Calls::MayBeFast },
            leftover: match (self.wait, self.leave_running) {
                (true, _) => Leftover::Wait,
                (false, true) => Leftover::LeaveRunning,
                (false, false) => Leftover::End,
            },
            limits: Limits {
                time: self.time_limit,
                at_deadlock: if self.end_deadlock { AtDeadlock::End } else { AtDeadlock::Wait },
            },
            cpu: self.cpu,
            audit: self.audit,
        };
        let using = store::use_store(&options.store);
        let result = record(&options, link);
        drop(using);
        match result {
            Ok(recorded) => {
                if !self.quiet {
                    summarize(&recorded, home);
                }
                failed_audit(&recorded)?;
                let code = recorded.status.shell_code();
                if let Some(rest) = recorded.rest {
                    rest.serve(code);
                }
                Ok(ExitCode::from(code))
            }
            Err(err) => {
                let mut text = chain(&err);
                if is_recording(&place.dir) {
                    let dir = place.dir.display();
                    text.push_str(&format!("\n  what was recorded until then is in {dir}"));
                } else {
                    place.give_back(home);
                }
                Err(Failure::text(text).with_code(err.exit_code()))
            }
        }
    }
}

/// In the process that the shell started.
fn stand_in(front: Front, place: Place, home: &Home) -> Result<ExitCode, Failure> {
    let mut text = match attend(front) {
        Ok(FrontEnd::Exit(code)) => return Ok(ExitCode::from(code)),
        Ok(FrontEnd::TracerKilled(signal)) => {
            let by = signal.map_or("a signal".to_owned(), |signal| signal.to_string());
            format!("the recorder was killed by {by}, and the program with it")
        }
        Err(err) => format!("failed to wait for the recorder: {err}"),
    };
    if is_recording(&place.dir) {
        text.push_str(&format!("; what was recorded until then is in {}", place.dir.display()));
    } else {
        place.give_back(home);
    }
    Err(Failure::text(text).with_code(OURS))
}
