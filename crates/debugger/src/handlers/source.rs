//! Source text.

use super::{frames, looking, names};
use crate::answers::{FrameView, LineView, SourceView};
use crate::code::SourceLine;
use crate::location::{Found, Location};
use crate::requests::{Detail, SourceRequest};
use crate::sources::{Age, SourceText};
use crate::{Answer, DebugError, Debugger, RequestControl};

/// Frames that are searched for one whose source can be read.
const DEPTH: usize = 50;

pub(super) fn show(
    debugger: &mut Debugger,
    wanted: &SourceRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let source = match &wanted.at {
        None => return here(debugger, wanted.around).map(Answer::Source),
        Some(Location::Address(address)) => {
            let addr = names::address(debugger, address, control)?;
            let (execution, task) = (debugger.execution.as_ref(), debugger.task());
            let frames = debugger.catalog.frames_at(execution, task, addr);
            frames.into_iter().next().and_then(|frame| frame.source)
        }
        Some(location) => {
            let execution = debugger.execution.as_ref();
            let source = |found: Found| {
                let (file, offset) = (found.file, found.place.offset);
                found.place.source.or_else(|| {
                    let frames = debugger.catalog.frames_in(execution, file, offset);
                    frames.into_iter().next()?.source
                })
            };
            let location = location.absolute(debugger.place_of(debugger.task()).source)?;
            location.resolve(execution, &debugger.catalog)?.into_iter().find_map(source)
        }
    };
    let source = source.ok_or_else(unknown)?;
    lines(debugger, source, wanted.around).map(Answer::Source)
}

fn unknown() -> DebugError {
    DebugError::NotFound("no source line is known for this place".to_owned())
}

/// The source around the selected task: of the selected frame; else of the innermost frame whose source can be read. At a
/// panic or inside a library that is the caller's.
fn here(debugger: &Debugger, around: u32) -> Result<SourceView, DebugError> {
    if let Some(frame) = frames::selected(debugger) {
        let source = frame.place.source.clone().ok_or_else(unknown)?;
        let view = lines(debugger, source, around)?;
        return Ok(SourceView { frame: Some(frame), ..view });
    }
    let innermost = debugger.place_of(debugger.task()).source;
    let shown = innermost.ok_or_else(unknown).and_then(|source| lines(debugger, source, around));
    let first = match shown {
        Ok(view) => return Ok(view),
        Err(err) => err,
    };
    let of_frame = |frame: FrameView| {
        let view = lines(debugger, frame.place.source.clone()?, around).ok()?;
        Some(SourceView { frame: Some(frame), ..view })
    };
    let frames = looking::stack(debugger, DEPTH, Detail::Places).unwrap_or_default();
    frames.into_iter().skip(1).find_map(of_frame).ok_or(first)
}

/// The text of a line, if it can be read.
pub(super) fn line(debugger: &Debugger, source: &SourceLine) -> Option<LineView> {
    lines(debugger, source.clone(), 0).ok()?.lines.pop()
}

/// The lines around a line.
fn lines(debugger: &Debugger, source: SourceLine, around: u32) -> Result<SourceView, DebugError> {
    let SourceText { text, age } = debugger.sources.text(&source.file, debugger.execution())?;
    let first = source.line.saturating_sub(around).max(1);
    let last = source.line.saturating_add(around);
    let shown = (1_u32..).zip(text.lines()).filter(|(line, _)| (first..=last).contains(line));
    let lines: Vec<LineView> = shown
        .map(|(line, text)| LineView {
            line,
            text: text.to_owned(),
            here: line == source.line,
            newer: age == Age::Newer,
        })
        .collect();
    if !lines.iter().any(|line| line.here) {
        let text = format!("{source} does not exist: the file has changed");
        return Err(DebugError::NotFound(text));
    }
    Ok(SourceView { file: source.file, lines, frame: None })
}
