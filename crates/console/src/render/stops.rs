//! Ends of movements as text.

use retake_debugger::{DisplayView, LineView, StopReason, StopView};

use super::text::{frame, line, numbers, place};
use crate::output::{RanView, StopOutput};
use crate::render;

/// Where it is and why, the source line, what is displayed, and what breakpoints have run.
pub(super) fn stop(stop: &StopOutput) -> Vec<String> {
    let view = &stop.view;
    let mut lines = vec![head(view)];
    lines.extend(view.failure.iter().map(|failure| format!("failure: {failure}")));
    lines.extend(view.frame.iter().flat_map(frame));
    lines.extend(view.line.iter().map(line_of_stop));
    lines.extend(view.displays.iter().map(display));
    lines.extend(stop.on.iter().flat_map(ran));
    lines
}

/// A line, and whether it may be another one than the program's.
fn line_of_stop(view: &LineView) -> String {
    let newer = if view.newer { "  (the file is newer than the recording)" } else { "" };
    format!("{}{newer}", line(view))
}

fn ran(ran: &RanView) -> Vec<String> {
    let mut lines = vec![format!("> {}", ran.command)];
    lines.extend(ran.output.as_ref().map(render::text).filter(|text| !text.is_empty()));
    lines.extend(ran.error.iter().map(|error| format!("error: {error}")));
    lines
}

/// `1: $rax = 3`
pub(super) fn display(view: &DisplayView) -> String {
    let (id, expression) = (view.id, &view.expression);
    match (&view.value, &view.problem) {
        (Some(value), _) => format!("{id}: {expression} = {value}"),
        (None, Some(problem)) => format!("{id}: {expression}: {problem}"),
        (None, None) => format!("{id}: {expression}"),
    }
}

fn head(view: &StopView) -> String {
    let reason = |reason: &StopReason| match reason {
        StopReason::Reached => "reached".to_owned(),
        StopReason::Breakpoint => format!("breakpoint {}", numbers(&view.breakpoints)),
        StopReason::Catch => {
            let event = view.event.as_ref().map(|event| format!(": {}", event.what));
            format!("catch {}{}", numbers(&view.catches), event.unwrap_or_default())
        }
        StopReason::Watch => "watched memory was accessed".to_owned(),
        StopReason::Stepped => "stepped".to_owned(),
        StopReason::FrameEnd => "the function ends here".to_owned(),
        StopReason::Start => "the start of the recording".to_owned(),
        StopReason::End => "the end of the recording".to_owned(),
        StopReason::Fatal(signal) => format!("{signal} ends the process"),
    };
    let reasons: Vec<String> = view.reasons.iter().map(reason).collect();
    let reasons = reasons.join(", ");
    format!("{}  thread {}  {}  ({reasons})", view.position, view.task, place(&view.place))
}
