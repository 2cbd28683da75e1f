//! `retake hunt`: records a command until a run fails.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::time::Duration;

use crate::failure::{Failure, OURS};
use crate::home::Home;
use crate::hunt::{Goal, Group, Live, Options, Schedule, Tally, hunt, last_lines};
use crate::output::Out;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  retake hunt -- cargo test flaky
  retake hunt --for 10m -j 2 -- ./race
  retake hunt --match 'data race' --timeout 5s -- pytest tests/test_queue.py";

/// Record a command again and again until a run fails, and keep that run
///
/// The first runs are plain; most of the later ones take the CPU from tasks at random (--chaos, another
/// seed each time). A run fails by its exit status, by a signal, by TEXT in its output, by a deadlock
/// (known at once), or by taking too long. The failing recording is kept, and a passing one beside it.
/// Standard input is empty; without -n and --for it goes on until something is found or Ctrl-C.
///
/// `cargo test`, `go test` and `ctest` are known: each test program that they start is a recording of its
/// own, and the build is not recorded. --only does the same for any other command.
///
/// Exits with 0 if a failure was found, 1 if none was, 125 if a run could not be recorded.
#[derive(Debug, clap::Args)]
#[command(override_usage = "retake hunt [OPTIONS] [--] COMMAND [ARGS]...", after_help = EXAMPLES)]
pub(crate) struct HuntArgs {
    /// Make this many runs at most
    #[arg(short = 'n', value_name = "RUNS")]
    runs: Option<NonZeroU32>,
    /// Hunt for this long at most
    #[arg(long = "for", value_name = "DUR", value_parser = text::parse_duration)]
    time: Option<Duration>,
    /// Make N runs at once, each on a CPU of its own
    #[arg(short, value_name = "N", default_value = "1")]
    jobs: NonZeroUsize,
    /// A run with this text in its output has failed, too
    #[arg(long = "match", value_name = "TEXT")]
    wanted: Option<String>,
    /// A process that has not ended after this time hangs [default: ten times the first passing run, at
    /// least 10s]
    #[arg(long, value_name = "DUR", value_parser = text::parse_duration)]
    timeout: Option<Duration>,
    /// Record the programs that COMMAND starts and whose name matches, each on its own: `*` and `?` as in
    /// a shell, the whole path where PATTERN has a `/`
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// Go on after a failure, and keep one recording of each kind
    #[arg(long)]
    all: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl HuntArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let ours = |failure: Failure| failure.with_code(OURS);
        let home = Home::find().map_err(|err| ours(err.into()))?;
        let options = Options {
            command: self.command.clone(),
            runs: self.runs.map(NonZeroU32::get),
            time: self.time,
            jobs: self.jobs.get(),
            wanted: self.wanted.clone(),
            timeout: self.timeout,
            only: self.only.clone(),
            goal: if self.all { Goal::All } else { Goal::First },
            without: None,
        };
        let mut live = Live::new();
        let tally = hunt(&options, &home, &mut |_, tally| {
            live.show(tally);
            Ok(())
        });
        live.clear();
        let tally = tally.map_err(ours)?;
        report(&home, &tally).map_err(ours)?;
        Ok(if tally.groups.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn report(home: &Home, tally: &Tally) -> Result<(), Failure> {
    let mut out = Out::new();
    for group in &tally.groups {
        tell(&mut out, home, group)?;
    }
    out.line(format_args!(
        "{} of {} failed ({} of {} plain, {} of {} with chaos), {} a run",
        tally.failed(),
        text::count(tally.runs().into(), "run"),
        tally.plain.failed,
        tally.plain.runs,
        tally.chaos.failed,
        tally.chaos.runs,
        text::duration(tally.each())
    ))?;
    if let Some(passing) = &tally.passing {
        let (name, run) = (home.name_of(&passing.dir), passing.run);
        out.line(format_args!("kept beside it: {name}, run {run}, which passed"))?;
    }
    if let Some(group) = tally.groups.first() {
        let debug = ["retake".into(), "debug".into(), home.name_of(&group.kept.dir).into_bytes()];
        out.line(format_args!("look at it with: {}", text::command(&debug)))?;
    }
    out.finish()
}

/// One kind of failure, and the recording of it.
fn tell(out: &mut Out, home: &Home, group: &Group) -> Result<(), Failure> {
    let kept = &group.kept;
    let place = group.place.as_ref().map_or(String::new(), |place| format!(": {place}"));
    let schedule = match kept.schedule {
        Schedule::Plain => "plain".to_owned(),
        Schedule::Chaos(seed) => format!("--chaos --seed {seed}"),
    };
    let again = match group.count {
        1 => String::new(),
        n => format!(", and {} more like it", n - 1),
    };
    out.line(format_args!("run {} ({schedule}): {}{place}{again}", kept.run, group.failing))?;
    let (command, name) = (text::command(&kept.command), home.name_of(&kept.dir));
    out.line(format_args!("  {command}, kept as {name}{}", last_lines(&kept.output)))
}
