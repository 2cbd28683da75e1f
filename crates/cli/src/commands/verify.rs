//! `retake verify`: re-executes and compares every part of a recording.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Instant;

use retake_replayer::{Pace, Variation};

use super::{Which, missing};
use crate::failure::Failure;
use crate::output::{Out, notice};
use crate::progress;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  retake verify run1
  retake verify -j 1                         on one processor";

/// Re-execute every checkpoint interval of a recording and compare all state
///
/// Compares registers at every event and all state at every checkpoint; exits with 1 and reports
/// the first difference if there is one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Intervals to re-execute at the same time [default: one per processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Run all code from the code cache that exact places are found with: a test of retake itself
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "full")]
    translated: Option<How>,
    /// Say what the code cache did
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    which: Which,
}

/// How much of the code is translated at once.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum How {
    /// As always
    Full,
    /// In a cache of 64 KiB
    SmallCache,
    /// In blocks of one instruction
    SingleInstructions,
    /// Without any shortcut
    Plain,
}

impl From<How> for Variation {
    fn from(how: How) -> Self {
        match how {
            How::Full => Self::Full,
            How::SmallCache => Self::SmallCache,
            How::SingleInstructions => Self::SingleInstructions,
            How::Plain => Self::Plain,
        }
    }
}

impl VerifyArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let recording = self.which.open()?;
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok());
        let started = Instant::now();
        let report = retake_replayer::verify(
            &recording,
            &progress::control(),
            jobs.map_or(1, NonZeroUsize::get),
            self.translated.map_or(Pace::Native, |how| Pace::Translated(how.into())),
        )?;
        if let Some(what) = missing(&recording) {
            return Err(Failure::text(format!("the recording is damaged: {what}")));
        }
        if let Some(loss) = recording.loss() {
            notice(loss);
        }
        let count = |n: usize, what| text::count(u64::try_from(n).unwrap_or(u64::MAX), what);
        let mut out = Out::new();
        out.line(format_args!(
            "ok: {}, {}, {} compared in {}",
            count(report.intervals, "interval"),
            text::count(report.events, "event"),
            count(report.checkpoints, "checkpoint"),
            text::duration(started.elapsed()),
        ))?;
        if self.stats {
            let t = report.translation;
            out.line(format_args!(
                "code cache: {} units, {} blocks, {} bytes and {} cold; left for new code {}, by unknown transfers \
                 {}, for instructions outside {}, at tests {}; {} blocks dropped, emptied {} times; {} supplied",
                t.units, t.blocks, t.bytes, t.cold, t.moved, t.unknown, t.outside, t.tests, t.dropped, t.emptied,
                text::count(t.supplied, "call"),
            ))?;
        }
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
