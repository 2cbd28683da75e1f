//! `retake record`: runs a program and records it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use retake_recorder::{AtDeadlock, Calls, Leftover, Limits, RecordError, RecordOptions};

use crate::failure::{Failure, OURS};
use crate::home::Home;
use crate::record::{FilesBeside, Place, Request, Sources, Summary, Target, seed};
use crate::text;

const EXAMPLES: &str = "\
Examples:
  retake record ./server --port 8080
  retake record -o run1 -- cargo test flaky
  retake record --chaos --seed 7 ./race      another order of threads, the same one each time";

/// Run a program and record it
///
/// Records until the program's first process ends. Ctrl-C and other keys go to the program; three Ctrl-C
/// within a second, a second SIGTERM, or `retake stop` end the recording, and the program with it.
///
/// Exits as the program does (128+n where signal n ended it), or with 127 if there is no such
/// program, 126 if it cannot be executed, 125 if it cannot be recorded.
#[derive(Debug, clap::Args)]
#[command(override_usage = "retake record [OPTIONS] [--] PROGRAM [ARGS]...", after_help = EXAMPLES)]
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
    /// Keep the sources of the program's own code with the recording: they may change then
    #[arg(long)]
    keep_sources: bool,
    /// Tell the program of so many CPUs, in place of those that retake itself may use. It runs on one of them at a
    /// time in any case
    #[arg(long, value_name = "N", value_parser = text::parse_cpus)]
    cpus: Option<usize>,
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

impl RecordArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let ours = |failure: Failure| failure.with_code(OURS);
        let home = Home::find().map_err(|err| ours(err.into()))?;
        let Some(program) = self.command.first() else {
            return Err(ours(Failure::text("no program was given")));
        };
        let place = match &self.among {
            Some(dir) => Place::among(&home, dir),
            None => {
                let parent = home.recordings();
                let target = self.output.as_deref().map_or(Target::Within(&parent), Target::Folder);
                Place::prepare(&home, target, program)
            }
        };
        let place = place.map_err(ours)?;
        let options = self.options(&place, &home);
        let summary = if self.quiet { Summary::Silent } else { Summary::Said };
        Request { options, place, home, summary, code_of: RecordError::exit_code }.make()
    }

    fn options(&self, place: &Place, home: &Home) -> RecordOptions {
        RecordOptions {
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
                ..Limits::default()
            },
            cpu: self.cpu,
            cpus: self.cpus,
            audit: self.audit,
            beside: Some(Arc::new(FilesBeside {
                sources: if self.keep_sources { Sources::Kept } else { Sources::Left },
            })),
            ..RecordOptions::new(place.dir().to_owned(), home.store(), self.command.clone())
        }
    }
}
