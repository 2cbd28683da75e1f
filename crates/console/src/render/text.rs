//! Outputs as text.

use std::fmt::Write;

use retake_debugger::{
    Access, BreakpointId, CheckpointView, FrameView, LineView, PlaceView, SourceView, ThreadView,
    TraceLine, TraceView, WatchView,
};

use super::{goroutines, showing, stops, values};
use crate::output::{BreakpointView, HelpView, HitsView, MemoryView, Output, WhenView};
use crate::render;

/// An output as lines for people, without a line end after the last; empty if there is nothing to
/// say.
pub fn text(output: &Output) -> String {
    let lines: Vec<String> = match output {
        Output::Exit | Output::Assert(_) | Output::Expect(_) => Vec::new(),
        Output::Set(all) => {
            all.iter().map(|view| format!("set {}", breakpoint(view, MOST_PLACES))).collect()
        }
        Output::Cleared(all) => {
            all.iter().map(|view| format!("cleared {} at {}", view.id, view.location)).collect()
        }
        Output::Breakpoints(all) => {
            or("no breakpoints", all.iter().map(|view| breakpoint(view, usize::MAX)).collect())
        }
        Output::Watches(all) => or("no watches", all.iter().map(watch).collect()),
        Output::Stop(stop) => stops::stop(stop),
        Output::Failed(view) => vec![view.problem.clone()],
        Output::Output(pieces) => showing::printed(pieces),
        Output::Events(page) => showing::events(page),
        Output::Frame(view) => frame(view),
        Output::Code(view) => showing::code(view),
        Output::Displays(all) => or("no displays", all.iter().map(stops::display).collect()),
        Output::Bookmarks(all) => or("no bookmarks", all.iter().map(showing::bookmark).collect()),
        Output::Called(view) => showing::called(view),
        Output::Substitutions(all) => {
            or("no substitutions", all.iter().map(showing::substitution).collect())
        }
        Output::Config(all) => {
            all.iter().map(|setting| format!("{}  {}", setting.name, setting.value)).collect()
        }
        Output::Transcript(view) => vec![match &view.file {
            Some(file) => format!("commands and answers are written to {file}"),
            None => "commands and answers are no longer written".to_owned(),
        }],
        Output::Hits(view) => hits(view),
        Output::Trace(view) => trace(view),
        Output::Table(rows) => rows.clone(),
        Output::Stack(frames) => frames.iter().flat_map(frame).collect(),
        Output::Shown(shown) => vec![shown.to_string()],
        Output::Variables(all) => or("no variables", all.iter().map(values::variable).collect()),
        Output::Type(view) => values::type_view(view),
        Output::Names(view) => showing::names(view),
        Output::Threads(all) => all.iter().map(thread).collect(),
        Output::Thread(view) => vec![thread(view)],
        Output::Goroutines(all) => goroutines::list(all),
        Output::Goroutine(view) => goroutines::one(view),
        Output::Registers(all) => all
            .iter()
            .map(|view| format!("{:>8} = {:#018x}", view.name.name(), view.value))
            .collect(),
        Output::Memory(view) => memory(view),
        Output::List(view) => list(view),
        Output::When(view) => when(view),
        Output::Checkpoints(all) => or("no checkpoints", all.iter().map(checkpoint).collect()),
        Output::Value(value) | Output::Said(value) => vec![value.clone()],
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

pub(super) fn place(view: &PlaceView) -> String {
    let mut out = view.pc.to_string();
    if let Some(function) = &view.function {
        let _ = write!(out, " in {function}");
    }
    if let Some(source) = &view.source {
        let _ = write!(out, " at {source}");
    }
    out
}

pub(super) fn numbers(ids: &[BreakpointId]) -> String {
    ids.iter().map(BreakpointId::to_string).collect::<Vec<_>>().join(",")
}

/// More places of a new breakpoint are counted: a name may mean a thousand instances in the libraries.
const MOST_PLACES: usize = 20;

fn breakpoint(view: &BreakpointView, most: usize) -> String {
    let name = view.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let mut out = format!("breakpoint {}{name}: {}", view.id, view.location);
    for place in view.places.iter().take(most) {
        let _ = write!(out, "\n    {place}");
    }
    let more = view.places.len().saturating_sub(most);
    if more > 0 {
        let _ = write!(out, "\n    {more} more places: breakpoints lists all");
    }
    for command in &view.commands {
        let _ = write!(out, "\n    on each stop: {command}");
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

pub(super) fn frame(view: &FrameView) -> Vec<String> {
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
    let newer = view.lines.iter().any(|line| line.newer);
    let warning = newer.then(|| {
        format!(
            "warning: {} is newer than the recording: the program may have been made of other lines",
            view.file
        )
    });
    let of = |frame: &FrameView| {
        let function = frame.place.function.as_deref().unwrap_or("?");
        format!("frame {}, {function}, in ", frame.n)
    };
    let frame = view.frame.as_ref().map(of).unwrap_or_default();
    let mut lines: Vec<String> = warning.into_iter().collect();
    lines.push(format!("{frame}{}:", view.file));
    lines.extend(view.lines.iter().map(line));
    lines
}

/// A line of source.
pub(super) fn line(line: &LineView) -> String {
    let arrow = if line.here { "=>" } else { "  " };
    format!("{arrow} {:>5}  {}", line.line, line.text).trim_end().to_owned()
}

fn when(view: &WhenView) -> Vec<String> {
    let (position, events, task) = (&view.position, view.events, view.task);
    let mut lines =
        vec![format!("{position} of {events} events  thread {task}  {}", place(&view.place))];
    let mut times = Vec::new();
    times.extend(view.run_time_ns.map(|ns| format!("{} s of run time", seconds(ns))));
    times.extend(view.per_mille.map(|share| format!("{}.{} %", share / 10, share % 10)));
    times
        .extend(view.clock.as_ref().map(|clock| format!("the program's clock says {clock} (UTC)")));
    if !times.is_empty() {
        lines.push(format!("  {}", times.join(", ")));
    }
    lines.extend(view.previous_event.iter().map(|event| format!("  last event: {event}")));
    lines.extend(view.next_event.iter().map(|event| format!("  next event: {event}")));
    lines
}

/// `1.234567`
fn seconds(ns: u64) -> String {
    format!("{}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000)
}

fn checkpoint(view: &CheckpointView) -> String {
    let (n, event) = (view.checkpoint, view.event);
    format!("{n:>5}  event {event:<10} {} s", seconds(view.run_time_ns))
}

fn help(view: &HelpView) -> String {
    let mut out = format!("{}\n    {}", view.usage, view.summary);
    if !view.aliases.is_empty() {
        let _ = write!(out, " (also: {})", view.aliases.join(", "));
    }
    out
}
