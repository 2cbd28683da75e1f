//! `retake checkpoints`: the moments that are stored in full.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::Which;
use crate::failure::Failure;
use crate::output::{Out, notice};

/// List the checkpoints of a recording
#[derive(Debug, clap::Args)]
pub(crate) struct CheckpointsArgs {
    /// Print one JSON object per checkpoint
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

impl CheckpointsArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let recording = self.which.open()?;
        let all = recording.checkpoints();
        let mut out = Out::new();
        if self.json {
            for c in all {
                out.json(&json!({
                    "index": c.index, "event": c.event, "run_time_ns": c.run_time_ns,
                    "tasks": c.tasks, "pages": c.pages,
                }))?;
            }
        } else if all.is_empty() {
            notice(
                "no checkpoints: the program ran too briefly (see `retake record --checkpoint-every`)",
            );
        } else {
            let row = |c: &retake_recording::CheckpointSummary| {
                let run_time = Duration::from_nanos(c.run_time_ns).as_secs_f64();
                vec![
                    c.index.to_string(),
                    c.event.to_string(),
                    format!("{run_time:.3} s"),
                    c.tasks.to_string(),
                    c.pages.to_string(),
                ]
            };
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            out.table(&["CHECKPOINT", "EVENT", "RUN TIME", "TASKS", "PAGES"], &rows)?;
        }
        out.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}
