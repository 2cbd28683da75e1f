//! Goroutines as text, as Delve shows them.

use retake_debugger::{GoroutineView, PlaceView};

use super::text::place;

pub(super) fn list(all: &[GoroutineView]) -> Vec<String> {
    let mut lines: Vec<String> = all.iter().map(line).collect();
    let plural = if all.len() == 1 { "" } else { "s" };
    lines.push(format!("[{} goroutine{plural}]", all.len()));
    lines
}

fn line(view: &GoroutineView) -> String {
    let selected = if view.selected { '*' } else { ' ' };
    let mut out = format!("{selected} Goroutine {} - User: {}", view.id, in_code(&view.user));
    if let Some(thread) = view.thread {
        out.push_str(&format!(" (thread {thread})"));
    }
    let state = view.wait_reason.as_deref().unwrap_or(&view.status);
    if view.thread.is_none() {
        out.push_str(&format!(" [{state}]"));
    }
    out
}

pub(super) fn one(view: &GoroutineView) -> Vec<String> {
    let place = |what: &str, at: &PlaceView| format!("    {what}: {}", in_code(at));
    let state = view.wait_reason.as_deref().unwrap_or(&view.status);
    vec![
        format!("Goroutine {} [{state}]:", view.id),
        place("Runtime", &view.current),
        place("User", &view.user),
        place("Go", &view.go),
        place("Start", &view.start),
    ]
}

/// `FILE:LINE FUNCTION (ADDRESS)`
fn in_code(view: &PlaceView) -> String {
    match (&view.source, &view.function) {
        (Some(source), Some(function)) => format!("{source} {function} ({})", view.pc),
        _ => place(view),
    }
}
