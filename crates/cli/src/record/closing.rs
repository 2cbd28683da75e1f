//! What is said at the end of a recording.

use std::path::Path;

use retake_recorder::{EndedBy, LeftProcess, Recorded};

use crate::failure::{Failure, OURS};
use crate::home::Home;
use crate::output::notice;
use crate::text;

/// An audit that found something is an error, whatever the program's end was.
pub(super) fn failed_audit(recorded: &Recorded) -> Result<(), Failure> {
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

/// What could not be recorded as it was.
pub(super) fn warn(recorded: &Recorded) {
    for warning in &recorded.summary.warnings {
        notice(format_args!("warning: {warning}"));
    }
}

/// Warnings, what was written, how the program ended, and what to do next.
pub(super) fn summarize(recorded: &Recorded, home: &Home) {
    let summary = &recorded.summary;
    warn(recorded);
    notice(format_args!(
        "recorded to {}: {}, {}, {}, {}",
        summary.dir.display(),
        text::count(summary.events, "event"),
        text::count(summary.checkpoints.into(), "checkpoint"),
        text::size(summary.bytes),
        text::duration(recorded.took),
    ));
    notice(format_args!("{}; {}", how_it_ended(recorded), next(home, &summary.dir)));
}

/// What the program did at the end, and what was done to it.
fn how_it_ended(recorded: &Recorded) -> String {
    let status = text::ended(recorded.status);
    let mut text = match recorded.ended_by {
        EndedBy::Program | EndedBy::Leftover => format!("the program ended: {status}"),
        EndedBy::Interrupts => format!("ended by three interrupts within a second: {status}"),
        EndedBy::SecondRequest => format!("ended by a signal to retake: {status}"),
        EndedBy::Deadline => {
            format!("the program did not end within 5 s of the signal to retake: {status}")
        }
        EndedBy::Command => format!("ended by `retake stop`: {status}"),
        EndedBy::TimeLimit => format!("ended by the time limit: {status}"),
        EndedBy::Deadlock => {
            format!("a deadlock: all tasks waited for each other, and were ended: {status}")
        }
        EndedBy::FrontGone => format!("retake's first process was killed: {status}"),
    };
    if !recorded.left.is_empty() {
        let verb =
            if recorded.rest.is_some() { "go on without being recorded" } else { "were ended" };
        text.push_str(&format!("; processes that it left {verb}: {}", names(&recorded.left)));
    }
    text
}

fn names(left: &[LeftProcess]) -> String {
    const MOST: usize = 8;
    let name = |process: &LeftProcess| {
        format!("{} ({})", String::from_utf8_lossy(&process.name).escape_debug(), process.pid)
    };
    let mut names: Vec<String> = left.iter().take(MOST).map(name).collect();
    if left.len() > MOST {
        names.push(format!("{} more", left.len() - MOST));
    }
    names.join(", ")
}

/// What to type next.
fn next(home: &Home, dir: &Path) -> String {
    let name = home.name_of(dir).into_bytes();
    format!("look at it with: {}", text::command(&["retake".into(), "debug".into(), name]))
}
