//! Code, output, events and bookmarks as text.

use retake_debugger::{
    BookmarkView, CalledView, CodeView, EventView, NamesView, Page, PrintedView, StreamName,
    Substitution,
};

/// As the program printed it; what is of standard error is marked.
pub(super) fn printed(pieces: &[PrintedView]) -> Vec<String> {
    if pieces.is_empty() {
        return vec!["the program has printed nothing yet".to_owned()];
    }
    // Writes need not end where lines do, but those of two streams are kept apart.
    let mut lines: Vec<(StreamName, String)> = Vec::new();
    let mut goes_on = false;
    for piece in pieces {
        for part in piece.text.split_inclusive('\n') {
            match lines.last_mut().filter(|(stream, _)| goes_on && *stream == piece.stream) {
                Some((_, line)) => line.push_str(part.trim_end_matches('\n')),
                None => lines.push((piece.stream, part.trim_end_matches('\n').to_owned())),
            }
            goes_on = !part.ends_with('\n');
        }
    }
    let mark = |(stream, line): (StreamName, String)| match stream {
        StreamName::Stdout => line,
        StreamName::Stderr => format!("stderr: {line}"),
    };
    lines.into_iter().map(mark).collect()
}

pub(super) fn events(page: &Page<EventView>) -> Vec<String> {
    let width = page.total.to_string().len();
    let line = |event: &EventView| format!("{:>width$}  {}", event.event, event.what);
    page.items.iter().map(line).collect()
}

pub(super) fn code(view: &CodeView) -> Vec<String> {
    let mut lines: Vec<String> = view.function.iter().map(|name| format!("{name}:")).collect();
    let widest = view.instructions.iter().map(|one| one.bytes.len()).max().unwrap_or(0);
    for instruction in &view.instructions {
        if let Some(source) = &instruction.source {
            lines.push(format!("{source}:"));
        }
        let arrow = if instruction.here { "=>" } else { "  " };
        let (addr, bytes, text) = (instruction.addr, &instruction.bytes, &instruction.text);
        lines.push(format!("{arrow} {addr}  {bytes:<widest$}  {text}"));
    }
    lines
}

/// A name a line; what is left out is counted.
pub(super) fn names(view: &NamesView) -> Vec<String> {
    if view.total == 0 {
        return vec!["there are none".to_owned()];
    }
    let mut lines = view.names.clone();
    let more = view.total.saturating_sub(view.names.len());
    if more > 0 {
        lines.push(format!("{more} more: say a pattern"));
    }
    lines
}

pub(super) fn bookmark(view: &BookmarkView) -> String {
    format!("bookmark {}: {} in {}", view.name, view.position, view.place)
}

pub(super) fn called(view: &CalledView) -> Vec<String> {
    let mut lines = if view.output.is_empty() { Vec::new() } else { printed(&view.output) };
    lines.push(format!("returned {} (the recording is as it was)", view.value));
    lines
}

pub(super) fn substitution(rule: &Substitution) -> String {
    let to = rule.to.as_deref().unwrap_or_default();
    format!("sources in {} are looked for in {to}", rule.from)
}
