//! Following a place over the whole recording, with values taken at each arrival.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use retake_execution::{Hit, Seen, SiteTarget, State};
use retake_model::{Addr, EventIndex, FileId, FileOffset, RegisterName};

use super::breakpoints;
use crate::answers::{PlaceView, TraceLine, TraceValue, TraceView};
use crate::breakpoint::{Breakpoints, Place, SiteTable};
use crate::expr::{self, Expr, Expression, Names};
use crate::requests::TraceRequest;
use crate::{Answer, DebugError, Debugger, NewBreakpoint, Progress, RequestControl};

/// What is taken at an arrival, on whatever thread that is.
struct Taken {
    code: Option<(FileId, FileOffset)>,
    values: Vec<TraceValue>,
}

pub(super) fn trace(
    debugger: &mut Debugger,
    request: &TraceRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    for value in &request.values {
        can_be_traced(value.expr())?;
    }
    let table = sites(debugger, request, control)?;
    let events = debugger.execution.event_count();
    let look = |hit: &Hit, state: &dyn State| -> Seen {
        let code = match table.target(hit.site) {
            Some(SiteTarget::Code { file, offset }) => Some((file, offset)),
            _ => crate::code::file_at(state, hit.task, hit.pc),
        };
        let value = |value: &Expression| value_at(value, state, hit, events);
        let values = request.values.iter().map(value).collect();
        Some(Box::new(Taken { code, values }))
    };
    let (mut count, mut lines) = (0, Vec::new());
    let mut places: BTreeMap<Addr, PlaceView> = BTreeMap::new();
    let catalog = &debugger.catalog;
    debugger.execution.look_at_hits(table.sites(), &look, &mut |hit, seen| {
        let taken = seen.and_then(|seen| seen.downcast::<Taken>().ok());
        let Some(Taken { code, values }) = taken.map(|taken| *taken) else {
            return ControlFlow::Continue(());
        };
        count += 1;
        let place = places.entry(hit.pc).or_insert_with(|| {
            let frames = code.map(|(file, offset)| catalog.known_frames(file, offset));
            PlaceView::new(hit.pc, frames.unwrap_or_default().first())
        });
        let (position, task, place) = (hit.position, hit.task, place.clone());
        let line = TraceLine { n: count, position, task, place, values };
        let Some(sink) = control.trace_sink() else {
            control.report(&Progress { event: hit.position.event(), events, hits: count });
            lines.push(line);
            return ControlFlow::Continue(());
        };
        sink.line(&line)
    })?;
    Ok(Answer::Trace(TraceView { count, lines }))
}

/// The places that are traced, with what has to hold there.
fn sites(
    debugger: &mut Debugger,
    request: &TraceRequest,
    control: &RequestControl,
) -> Result<SiteTable, DebugError> {
    let new = NewBreakpoint {
        condition: request.condition.clone(),
        thread: request.thread,
        ..NewBreakpoint::at(request.location.clone())
    };
    let draft = breakpoints::draft(debugger, &new, control)?;
    for place in &draft.places {
        // Its code is to be known before the execution is busy.
        if let Place::Absolute(addr) = place {
            let (execution, task) = (debugger.execution.as_ref(), debugger.task());
            debugger.catalog.frames_at(execution, task, *addr);
        }
    }
    Ok(SiteTable::new([Breakpoints::default().add(draft)]))
}

/// An expression that has a value at some arrival.
fn can_be_traced(expr: &Expr) -> Result<(), DebugError> {
    match expr {
        Expr::Hits(_) => {
            let what = "$hits(N) is of the whole recording, not of an arrival: use print";
            Err(DebugError::NotFound(what.to_owned()))
        }
        Expr::Name(name) => {
            let is_known = matches!(name.as_str(), "event" | "events" | "task")
                || RegisterName::from_name(name).is_some();
            is_known.then_some(()).ok_or_else(|| unknown(name))
        }
        Expr::Number(_) => Ok(()),
        Expr::Unary(_, inner) | Expr::Cast(_, inner) | Expr::Read(_, inner) => can_be_traced(inner),
        Expr::Binary(_, left, right) => can_be_traced(left).and_then(|()| can_be_traced(right)),
    }
}

fn unknown(name: &str) -> DebugError {
    DebugError::NotFound(format!("there is no ${name}"))
}

fn value_at(
    expression: &Expression,
    state: &dyn State,
    hit: &Hit,
    events: EventIndex,
) -> TraceValue {
    let mut names = Arrived { state, hit, events };
    let value = expr::evaluate(expression.expr(), &mut names);
    let (value, problem) = match value {
        Ok(value) => (Some(value.to_string()), None),
        Err(err) => (None, Some(err.to_string())),
    };
    TraceValue { expression: expression.clone(), value, problem }
}

/// An arrival, asked by expressions.
struct Arrived<'a> {
    state: &'a dyn State,
    hit: &'a Hit,
    events: EventIndex,
}

impl Names for Arrived<'_> {
    fn value(&mut self, name: &str) -> Result<i128, DebugError> {
        match name {
            "event" => Ok(self.hit.position.event().get().into()),
            "events" => Ok(self.events.get().into()),
            "task" => Ok(self.hit.task.get().into()),
            _ => {
                let register = RegisterName::from_name(name).ok_or_else(|| unknown(name))?;
                Ok(self.state.registers(self.hit.task)?.get(register).into())
            }
        }
    }

    fn hits(&mut self, breakpoint: i128) -> Result<i128, DebugError> {
        Err(unknown(&format!("hits({breakpoint})")))
    }

    fn read(&mut self, addr: Addr, out: &mut [u8]) -> Result<(), DebugError> {
        Ok(self.state.read_memory(self.hit.task, addr, out)?)
    }
}
