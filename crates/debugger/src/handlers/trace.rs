//! Following places over the whole recording, with values taken at each arrival.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use retake_execution::{Hit, Seen, SiteTarget, State};
use retake_model::{Addr, FileId, FileOffset};
use retake_values::Limits;

use super::{breakpoints, hits};
use crate::answers::{PlaceView, TraceLine, TraceValue, TraceView};
use crate::breakpoint::{Breakpoints, Place, SiteTable};
use crate::expr::{self, Datum, Expression, Names};
use crate::requests::{HitValuesRequest, PageRequest, TraceRequest};
use crate::variables::{Arrived, can_be_traced};
use crate::{Answer, DebugError, Debugger, NewBreakpoint, Progress, RequestControl};

/// What is taken at an arrival, on whatever thread that is.
struct Taken {
    code: Option<(FileId, FileOffset)>,
    values: Vec<TraceValue>,
}

/// What is looked at, at arrivals.
struct Wanted<'a> {
    values: &'a [Expression],
    /// All of these have to hold.
    conditions: Vec<&'a Expression>,
    page: PageRequest,
}

pub(super) fn trace(
    debugger: &mut Debugger,
    request: &TraceRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let table = sites(debugger, request, control)?;
    // What the program cannot judge itself is judged here.
    let conditions = request.condition.iter().filter(|_| table.1).collect();
    let page = PageRequest::default();
    follow(debugger, &table.0, &Wanted { values: &request.values, conditions, page }, control)
}

/// What expressions were at the hits of breakpoints.
pub(super) fn hit_values(
    debugger: &mut Debugger,
    request: &HitValuesRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let of = breakpoints::numbers(debugger, &request.of)?;
    let chosen = hits::chosen(debugger, &of)?;
    let table = SiteTable::new(&chosen);
    let HitValuesRequest { values, condition, page, .. } = request;
    let own = match chosen.as_slice() {
        [only] if only.is_judged_here() => only.condition.as_ref(),
        _ => None,
    };
    let conditions = own.into_iter().chain(condition).collect();
    let wanted = Wanted { values, conditions, page: *page };
    follow(debugger, &table, &wanted, control)
}

fn follow(
    debugger: &mut Debugger,
    table: &SiteTable,
    wanted: &Wanted<'_>,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    for value in wanted.values.iter().chain(wanted.conditions.iter().copied()) {
        can_be_traced(value.expr())?;
    }
    let events = debugger.execution.event_count();
    let scopes = debugger.scopes_of(table);
    let look = |hit: &Hit, state: &dyn State| -> Seen {
        let code = match table.target(hit.site) {
            Some(SiteTarget::Code { file, offset }) => Some((file, offset)),
            _ => crate::code::file_at(state, hit.task, hit.pc),
        };
        let site = table.target(hit.site).and_then(|target| scopes.get(&target));
        let mut names = Arrived::new(state, hit, events, site);
        if !wanted.conditions.iter().all(|condition| names.holds(condition)) {
            return None;
        }
        let values = wanted.values.iter().map(|value| value_at(value, &mut names)).collect();
        Some(Box::new(Taken { code, values }))
    };
    let (mut count, mut lines) = (0, Vec::new());
    let mut places: BTreeMap<Addr, PlaceView> = BTreeMap::new();
    let catalog = &debugger.catalog;
    let PageRequest { from, limit } = wanted.page;
    let (from, limit) = (from as u64, limit.map_or(u64::MAX, |limit| limit as u64));
    if limit == 0 {
        return Ok(Answer::Trace(TraceView { count, lines }));
    }
    debugger.execution.look_at_hits(table.sites(), &look, &mut |hit, seen| {
        let taken = seen.and_then(|seen| seen.downcast::<Taken>().ok());
        let Some(Taken { code, values }) = taken.map(|taken| *taken) else {
            return ControlFlow::Continue(());
        };
        count += 1;
        if count <= from {
            return ControlFlow::Continue(());
        }
        let place = places.entry(hit.pc).or_insert_with(|| {
            let frames = code.map(|(file, offset)| catalog.known_frames(file, offset));
            PlaceView::new(hit.pc, frames.unwrap_or_default().first())
        });
        let (position, task, place) = (hit.position, hit.task, place.clone());
        let line = TraceLine { n: count, position, task, place, values };
        let is_last = count - from >= limit;
        let flow = match control.trace_sink() {
            Some(sink) => sink.line(&line),
            None => {
                control.report(&Progress { event: hit.position.event(), events, hits: count });
                lines.push(line);
                ControlFlow::Continue(())
            }
        };
        if is_last { ControlFlow::Break(()) } else { flow }
    })?;
    Ok(Answer::Trace(TraceView { count, lines }))
}

/// The places that are traced, with what has to hold there, and whether the condition is judged here.
fn sites(
    debugger: &mut Debugger,
    request: &TraceRequest,
    control: &RequestControl,
) -> Result<(SiteTable, bool), DebugError> {
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
    let mut alone = Breakpoints::default();
    let breakpoint = alone.add(draft);
    Ok((SiteTable::new([breakpoint]), breakpoint.is_judged_here()))
}

fn value_at(expression: &Expression, names: &mut Arrived<'_>) -> TraceValue {
    let expression = expression.clone();
    match expr::evaluate_datum(expression.expr(), names) {
        Ok(Datum::Number(value)) => {
            TraceValue { expression, value: Some(value.to_string()), shown: None, problem: None }
        }
        Ok(datum) => {
            let shown = datum.shown(names.space(), Limits::default());
            TraceValue {
                expression,
                value: Some(shown.to_string()),
                shown: Some(shown),
                problem: None,
            }
        }
        Err(err) => {
            let problem = Some(err.to_string());
            TraceValue { expression, value: None, shown: None, problem }
        }
    }
}
