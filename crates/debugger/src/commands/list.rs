//! `list`: source text.

use retake_execution::Execution;

use super::names::DebuggerNames;
use super::{CommandInfo, stack};
use crate::code::SourceLine;
use crate::expr;
use crate::location::{Found, Location};
use crate::output::{FrameView, LineView, ListView};
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "list",
    aliases: &["ls", "l"],
    usage: "list [FUNCTION | FILE:LINE | *ADDRESS]",
    summary: "shows the source around the selected thread, or around a place",
};

/// Lines shown on each side, as in Delve.
const AROUND: u32 = 5;

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    if args.is_empty() {
        return here(debugger).map(Output::List);
    }
    let source = match Location::parse(args)? {
        Location::Address(text) => {
            let expr = expr::parse(&text)?;
            let addr = expr::evaluate_address(&expr, &mut DebuggerNames(debugger))?;
            let (execution, task) = (&debugger.execution, debugger.task());
            let frames = debugger.catalog.frames_at(execution, task, addr);
            frames.into_iter().next().and_then(|frame| frame.source)
        }
        location => {
            let found = location.resolve(&debugger.execution, &debugger.catalog)?;
            let source = |found: Found| {
                let (file, offset) = (found.file, found.place.offset);
                found.place.source.or_else(|| {
                    let frames = debugger.catalog.frames_in(&debugger.execution, file, offset);
                    frames.into_iter().next()?.source
                })
            };
            found.into_iter().find_map(source)
        }
    };
    source.ok_or_else(unknown).and_then(show).map(Output::List)
}

fn unknown() -> DebugError {
    DebugError::NotFound("no source line is known for this place".to_owned())
}

/// The source around the selected task: of the innermost frame whose source can be read. At a
/// panic or inside a library that is the caller's.
fn here<E: Execution>(debugger: &Debugger<E>) -> Result<ListView, DebugError> {
    let innermost = debugger.place_of(debugger.task()).source;
    let first = match innermost.ok_or_else(unknown).and_then(show) {
        Ok(view) => return Ok(view),
        Err(err) => err,
    };
    let of_frame = |frame: FrameView| {
        let view = show(frame.place.source.clone()?).ok()?;
        Some(ListView { frame: Some(frame), ..view })
    };
    let frames = stack::frames(debugger, stack::DEPTH).unwrap_or_default();
    frames.into_iter().skip(1).find_map(of_frame).ok_or(first)
}

/// The lines around a line. Sources are not part of a recording: they are read where they are now.
fn show(source: SourceLine) -> Result<ListView, DebugError> {
    let bytes = std::fs::read(&source.file)
        .map_err(|err| DebugError::Read { path: source.file.clone(), source: err })?;
    let text = String::from_utf8_lossy(&bytes);
    let first = source.line.saturating_sub(AROUND).max(1);
    let last = source.line.saturating_add(AROUND);
    let shown = (1_u32..).zip(text.lines()).filter(|(line, _)| (first..=last).contains(line));
    let lines: Vec<LineView> = shown
        .map(|(line, text)| LineView { line, text: text.to_owned(), here: line == source.line })
        .collect();
    if !lines.iter().any(|line| line.here) {
        let text = format!("{source} does not exist: the file has changed");
        return Err(DebugError::NotFound(text));
    }
    Ok(ListView { file: source.file, lines, frame: None })
}
