//! `retake verify`: re-executes and compares every part of a recording.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Instant;

use super::{Which, missing};
use crate::failure::Failure;
use crate::output::{Out, notice};
use crate::progress;
use crate::text;

/// Re-execute every checkpoint interval of a recording and compare all state
///
/// Compares registers at every event and all state at every checkpoint; exits with 1 and reports
/// the first difference if there is one.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// Intervals to re-execute at the same time [default: one per processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    which: Which,
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
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
