//! What the program printed, and its events as strace shows them.

use std::num::NonZeroU64;

use retake_execution::{Direction, EventFilter, StandardStream, Stop};
use retake_model::EventIndex;

use crate::answers::{EventView, Page, PrintedView, StreamName};
use crate::requests::EventsRequest;
use crate::{Answer, DebugError, Debugger};

pub(super) fn stream(stream: StandardStream) -> StreamName {
    match stream {
        StandardStream::Output => StreamName::Stdout,
        StandardStream::Error => StreamName::Stderr,
    }
}

fn printed(debugger: &mut Debugger) -> Result<Vec<retake_execution::Printed>, DebugError> {
    let now = debugger.execution.position().event();
    Ok(debugger.execution.printed(now)?)
}

pub(super) fn show(debugger: &mut Debugger) -> Result<Answer, DebugError> {
    let pieces = printed(debugger)?.into_iter().map(|piece| PrintedView {
        event: Some(piece.event),
        stream: stream(piece.stream),
        text: String::from_utf8_lossy(&piece.bytes).into_owned(),
    });
    Ok(Answer::Output(pieces.collect()))
}

pub(super) fn expect(debugger: &mut Debugger, text: &str) -> Result<Answer, DebugError> {
    let pieces = printed(debugger)?;
    // A text may be in several writes, but not in writes to two streams.
    let found = [StandardStream::Output, StandardStream::Error].iter().any(|stream| {
        let of_stream = pieces.iter().filter(|piece| piece.stream == *stream);
        let bytes: Vec<u8> = of_stream.flat_map(|piece| &piece.bytes).copied().collect();
        text.is_empty() || bytes.windows(text.len()).any(|window| window == text.as_bytes())
    });
    if found {
        return Ok(Answer::Holds);
    }
    let last = pieces.last().map_or_else(
        || "it has printed nothing yet".to_owned(),
        |piece| format!("the last it printed is {:?}", String::from_utf8_lossy(&piece.bytes)),
    );
    Err(DebugError::Expectation { text: text.to_owned(), instead: last })
}

/// Goes to right before a text is printed for the `n`th time.
pub(super) fn goto(debugger: &mut Debugger, text: &str, n: NonZeroU64) -> Result<Stop, DebugError> {
    let kinds = [EventFilter::Output(text.as_bytes().to_vec())];
    let mut from = EventIndex::ZERO;
    for seen in 0..n.get() {
        let found = debugger.execution.find_event(Direction::Forward, from, &kinds)?;
        let Some(event) = found else {
            let times = if seen == 1 { "time" } else { "times" };
            let what = format!("the program prints {text:?} {seen} {times}: see output at the end");
            return Err(DebugError::NotFound(what));
        };
        if seen + 1 == n.get() {
            return Ok(debugger.execution.seek_before(event)?);
        }
        from = event.next();
    }
    Err(DebugError::NotFound(format!("the program does not print {text:?}")))
}

/// Events before the current moment that are shown where nobody says from where.
const BEFORE: u64 = 10;

pub(super) fn events(
    debugger: &mut Debugger,
    request: EventsRequest,
) -> Result<Answer, DebugError> {
    let execution = debugger.execution.as_mut();
    let (here, total) = (execution.position().event(), execution.event_count());
    let first = EventIndex::new(here.get().saturating_sub(BEFORE));
    let from = request.from.unwrap_or(first);
    let texts = execution.event_texts(from, request.count)?;
    let view =
        |event: retake_execution::EventText| EventView { event: event.event, what: event.text };
    let count = |index: EventIndex| usize::try_from(index.get()).unwrap_or(usize::MAX);
    let items = texts.into_iter().map(view).collect();
    Ok(Answer::Events(Page { from: count(from), total: count(total), items }))
}
