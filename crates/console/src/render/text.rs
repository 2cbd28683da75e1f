//! Outputs as text.

use std::fmt::Write;

use retake_debugger::{
    Access, BreakpointId, CheckpointView, FrameView, PlaceView, SourceView, StopReason, StopView,
    ThreadView, TraceLine, TraceView, WatchView,
};

use super::values;
use crate::output::{BreakpointView, HelpView, HitsView, MemoryView, Output, WhenView};
use crate::render;

/// An output as lines for people, without a line end after the last; empty if there is nothing to
/// say.
pub fn text(output: &Output) -> String {
    let lines: Vec<String> = match output {
        Output::Exit | Output::Assert(_) => Vec::new(),
        Output::Set(all) => all.iter().map(|view| format!("set {}", breakpoint(view))).collect(),
        Output::Cleared(all) => {
            all.iter().map(|view| format!("cleared {} at {}", view.id, view.location)).collect()
        }
        Output::Breakpoints(all) => or("no breakpoints", all.iter().map(breakpoint).collect()),
        Output::Watches(all) => or("no watches", all.iter().map(watch).collect()),
        Output::Stop(view) => vec![stop(view)],
        Output::Hits(view) => hits(view),
        Output::Trace(view) => trace(view),
        Output::Stack(frames) => frames.iter().flat_map(frame).collect(),
        Output::Shown(shown) => vec![shown.to_string()],
        Output::Variables(all) => or("no variables", all.iter().map(values::variable).collect()),
        Output::Type(view) => values::type_view(view),
        Output::Threads(all) => all.iter().map(thread).collect(),
        Output::Thread(view) => vec![thread(view)],
        Output::Registers(all) => all
            .iter()
            .map(|view| format!("{:>8} = {:#018x}", view.name.name(), view.value))
            .collect(),
        Output::Memory(view) => memory(view),
        Output::List(view) => list(view),
        Output::When(view) => when(view),
        Output::Checkpoints(all) => or("no checkpoints", all.iter().map(checkpoint).collect()),
        Output::Value(value) => vec![value.clone()],
        Output::Script(steps) => steps
            .iter()
            .map(|step| render::text(&step.output))
            .filter(|text| !text.is_empty())
            .collect(),
        Output::Help(all) => all.iter().map(help).collect(),
    };
    lines.join("\n")
}

fn or(nothing: &str, lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() { vec![nothing.to_owned()] } else { lines }
}

fn place(view: &PlaceView) -> String {
    let mut out = view.pc.to_string();
    if let Some(function) = &view.function {
        let _ = write!(out, " in {function}");
    }
    if let Some(source) = &view.source {
        let _ = write!(out, " at {source}");
    }
    out
}

fn numbers(ids: &[BreakpointId]) -> String {
    ids.iter().map(BreakpointId::to_string).collect::<Vec<_>>().join(",")
}

fn breakpoint(view: &BreakpointView) -> String {
    let mut out = format!("breakpoint {}: {}", view.id, view.location);
    for place in &view.places {
        let _ = write!(out, "\n    {place}");
    }
    out
}

fn watch(view: &WatchView) -> String {
    let accesses = match view.access {
        Access::Write => "writes",
        Access::ReadWrite => "accesses",
    };
    format!("watch {}: {accesses} of {} bytes at {}", view.id, view.len, view.addr)
}

fn stop(view: &StopView) -> String {
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

fn hits(view: &HitsView) -> Vec<String> {
    let width = view.count.to_string().len();
    let mut lines: Vec<String> = view
        .hits
        .iter()
        .map(|hit| {
            let (numbers, place) = (numbers(&hit.breakpoints), place(&hit.place));
            let (position, task) = (hit.position, hit.task);
            format!("{:>width$}  {position}  breakpoint {numbers}  thread {task}  {place}", hit.n)
        })
        .collect();
    let plural = if view.count == 1 { "" } else { "s" };
    let total = format!("{} hit{plural}", view.count);
    lines.push(match view.hits.last() {
        Some(last) if last.n < view.count => {
            let next = last.n + 1;
            let end = last.n.saturating_add(view.hits.len().max(20)).min(view.count);
            format!("{total}, and not all are shown: hits {next}..{end} or hits --all shows more")
        }
        _ => total,
    });
    lines
}

fn trace(view: &TraceView) -> Vec<String> {
    let plural = if view.count == 1 { "" } else { "s" };
    let mut lines: Vec<String> = view.lines.iter().map(trace_line).collect();
    lines.push(format!("{} arrival{plural}", view.count));
    lines
}

/// One arrival of a trace as a line for people.
pub fn trace_line(line: &TraceLine) -> String {
    let (n, position, task) = (line.n, line.position, line.task);
    let mut out = format!("{n}  {position}  thread {task}  {}", place(&line.place));
    for (index, value) in line.values.iter().enumerate() {
        let before = if index == 0 { "  " } else { ", " };
        let _ = match (&value.value, &value.problem) {
            (Some(number), _) => write!(out, "{before}{} = {number}", value.expression),
            (None, Some(problem)) => write!(out, "{before}{}: {problem}", value.expression),
            (None, None) => Ok(()),
        };
    }
    out
}

fn frame(view: &FrameView) -> Vec<String> {
    let inlined = if view.inlined { " (inlined)" } else { "" };
    let mut lines = vec![format!("{:>3}  {}{inlined}", view.n, place(&view.place))];
    lines.extend(values::of_frame(&view.variables));
    lines
}

fn thread(view: &ThreadView) -> String {
    let selected = if view.selected { '*' } else { ' ' };
    let mut out = format!(
        "{selected} thread {}  tid {}  pid {}  {}  {}",
        view.task,
        view.tid,
        view.pid,
        view.name,
        place(&view.place)
    );
    if let Some(call) = view.in_syscall {
        let _ = write!(out, "  in system call {call}");
    }
    if view.running {
        out.push_str("  running");
    }
    out
}

fn memory(view: &MemoryView) -> Vec<String> {
    let per_line = (16 / view.size.max(1)).max(1);
    let line = |(n, items): (usize, &[String])| {
        let skip = u64::try_from(n * per_line * view.size).unwrap_or(u64::MAX);
        let addr = view.addr.get().wrapping_add(skip);
        format!("{addr:#x}:  {}", items.join("  "))
    };
    view.items.chunks(per_line).enumerate().map(line).collect()
}

fn list(view: &SourceView) -> Vec<String> {
    let of = |frame: &FrameView| {
        let function = frame.place.function.as_deref().unwrap_or("?");
        format!("frame {}, {function}, in ", frame.n)
    };
    let frame = view.frame.as_ref().map(of).unwrap_or_default();
    let mut lines = vec![format!("{frame}{}:", view.file)];
    lines.extend(view.lines.iter().map(|line| {
        let arrow = if line.here { "=>" } else { "  " };
        format!("{arrow} {:>5}  {}", line.line, line.text).trim_end().to_owned()
    }));
    lines
}

fn when(view: &WhenView) -> Vec<String> {
    let (position, events, task) = (&view.position, view.events, view.task);
    let mut lines =
        vec![format!("{position} of {events} events  thread {task}  {}", place(&view.place))];
    lines.extend(view.previous_event.iter().map(|event| format!("  last event: {event}")));
    lines.extend(view.next_event.iter().map(|event| format!("  next event: {event}")));
    lines
}

fn checkpoint(view: &CheckpointView) -> String {
    let (seconds, micros) = (view.run_time_ns / 1_000_000_000, view.run_time_ns / 1000 % 1_000_000);
    let (n, event) = (view.checkpoint, view.event);
    format!("{n:>5}  event {event:<10} {seconds}.{micros:06} s")
}

fn help(view: &HelpView) -> String {
    let mut out = format!("{}\n    {}", view.usage, view.summary);
    if !view.aliases.is_empty() {
        let _ = write!(out, " (also: {})", view.aliases.join(", "));
    }
    out
}
