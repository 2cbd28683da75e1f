//! `retake events`: what happened, a line each.

use std::process::ExitCode;

use retake_model::EventIndex;
use retake_recording::{Event, EventKind};
use retake_replayer::describe_event;
use serde_json::json;

use super::Which;
use crate::failure::Failure;
use crate::output::{Out, notice};

const EXAMPLES: &str = "\
Examples:
  retake events run1 | grep openat
  retake events --json run1 | jq .kind";

/// Print the events of a recording
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EventsArgs {
    /// Print one JSON object per event
    #[arg(long)]
    json: bool,
    /// Start with this event
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Stop after this many events
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    #[command(flatten)]
    which: Which,
}

impl EventsArgs {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let recording = self.which.open()?;
        let from = EventIndex::new(self.from);
        if from > recording.event_count() {
            return Err(Failure::text(format!(
                "there is no event {from}: the recording has {}",
                recording.event_count()
            )));
        }
        let mut out = Out::new();
        for event in recording.events(from).take(self.count.unwrap_or(usize::MAX)) {
            let (index, event) = match event {
                Ok(event) => event,
                Err(err) => {
                    out.finish()?;
                    return Err(err.into());
                }
            };
            let text = describe_event(&event);
            if self.json {
                let (task, kind) = (event.task, kind(&event));
                out.json(&json!({ "index": index, "task": task, "kind": kind, "text": text }))?;
            } else {
                out.line(format_args!("{index}  {text}"))?;
            }
        }
        out.finish()?;
        if let (Some(loss), None) = (recording.loss(), self.count) {
            notice(loss);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn kind(event: &Event) -> &'static str {
    match event.kind {
        EventKind::Syscall { .. } => "syscall",
        EventKind::SyscallEnter { .. } => "syscall_enter",
        EventKind::SyscallExit { .. } => "syscall_exit",
        EventKind::Restart => "restart",
        EventKind::Instruction { .. } => "instruction",
        EventKind::Signal { .. } => "signal",
        EventKind::Preempt { .. } => "preempt",
        EventKind::Exit { .. } => "exit",
    }
}
