//! Hits over the whole recording.

use std::any::Any;
use std::ops::ControlFlow;

use retake_execution::{Hit, Seen, SiteTarget, State};

use super::breakpoints;
use crate::answers::{HitView, Page, PlaceView};
use crate::breakpoint::{Breakpoint, BreakpointId, SiteTable};
use crate::history::{Code, PastHit, some_hits};
use crate::requests::{Chosen, PageRequest};
use crate::variables::Arrived;
use crate::{Answer, DebugError, Debugger, RequestControl};

/// A part of the list of hits. That list becomes the last one.
pub(super) fn list(
    debugger: &mut Debugger,
    of: &Chosen,
    page: PageRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let of = breakpoints::numbers(debugger, of)?;
    let found = search(debugger, &of, page, control)?;
    // What ends before the page does ends the list.
    let is_all = page.limit.is_none_or(|limit| found.len() < limit);
    if is_all && (page.from == 0 || !found.is_empty()) {
        debugger.history.set_count(of.clone(), (page.from + found.len()) as u64);
    }
    let total = usize::try_from(count_all(debugger, &of)?).unwrap_or(usize::MAX);
    let numbered = (page.from.saturating_add(1)..).zip(&found);
    let items = numbered.map(|(n, hit)| view(debugger, n, hit)).collect();
    debugger.history.remember(of, page.from, found);
    Ok(Answer::Hits(Page { from: page.from, total, items }))
}

/// How often a breakpoint is hit over the whole recording.
pub(super) fn count(debugger: &mut Debugger, id: BreakpointId) -> Result<u64, DebugError> {
    count_all(debugger, &[id])
}

/// How often these are hit together.
fn count_all(debugger: &mut Debugger, of: &[BreakpointId]) -> Result<u64, DebugError> {
    let chosen = chosen(debugger, of)?;
    if let Some(count) = debugger.history.count(of) {
        return Ok(count);
    }
    if chosen.iter().any(Breakpoint::is_judged_here) {
        let all = judged_hits(debugger, &chosen, PageRequest::default())?;
        debugger.history.set_count(of.to_vec(), all.len() as u64);
        return Ok(all.len() as u64);
    }
    let table = SiteTable::new(&chosen);
    // They are counted without a stop, and may be millions.
    let count = debugger.execution.count_hits(table.sites(), None)?;
    debugger.history.set_count(of.to_vec(), count);
    Ok(count)
}

/// The `n`th hit, from 1, of a breakpoint or of the last list. Its list becomes the last one.
pub(super) fn nth(
    debugger: &mut Debugger,
    breakpoint: Option<BreakpointId>,
    n: usize,
    control: &RequestControl,
) -> Result<PastHit, DebugError> {
    let is_there = |id: &BreakpointId| debugger.breakpoints.get(*id).is_ok();
    let last = debugger.history.of().filter(|last| last.iter().all(is_there));
    let of = match (breakpoint, last) {
        (Some(id), _) => breakpoints::numbers(debugger, &Chosen::These(vec![id]))?,
        (None, Some(last)) => last.to_vec(),
        (None, None) => breakpoints::numbers(debugger, &Chosen::All)?,
    };
    if let Some(hit) = debugger.history.listed(&of, n) {
        return Ok(hit.clone());
    }
    // Those before it are counted, not listed.
    let found = match n.checked_sub(1) {
        Some(from) => search(debugger, &of, PageRequest { from, limit: Some(1) }, control)?,
        None => Vec::new(),
    };
    let Some(hit) = found.first().cloned() else {
        let count = count_all(debugger, &of)?;
        debugger.history.remember(of, 0, Vec::new());
        return Err(DebugError::NotFound(format!("there is no hit {n}; there are {count}")));
    };
    debugger.history.remember(of, n - 1, found);
    Ok(hit)
}

fn search(
    debugger: &mut Debugger,
    of: &[BreakpointId],
    page: PageRequest,
    control: &RequestControl,
) -> Result<Vec<PastHit>, DebugError> {
    let chosen = chosen(debugger, of)?;
    if chosen.iter().any(Breakpoint::is_judged_here) {
        return judged_hits(debugger, &chosen, page);
    }
    some_hits(debugger.execution.as_mut(), &chosen, page, control)
}

/// Hits of breakpoints, with conditions that are judged here.
fn judged_hits(
    debugger: &mut Debugger,
    chosen: &[Breakpoint],
    page: PageRequest,
) -> Result<Vec<PastHit>, DebugError> {
    let table = SiteTable::new(chosen);
    let scopes = debugger.scopes_of(&table);
    let events = debugger.execution.event_count();
    let look = |hit: &Hit, state: &dyn State| -> Seen {
        let target = table.target(hit.site);
        let code = match target {
            Some(SiteTarget::Code { file, offset }) => Some((file, offset)),
            _ => crate::code::file_at(state, hit.task, hit.pc),
        };
        let mut arrived = Arrived::new(state, hit, events, target.and_then(|at| scopes.get(&at)));
        let mut owners = table.breakpoints(hit.pc, code);
        owners.retain(|owner| {
            let breakpoint = chosen.iter().find(|breakpoint| breakpoint.id == *owner);
            let judged = breakpoint.filter(|breakpoint| breakpoint.is_judged_here());
            let condition = judged.and_then(|breakpoint| breakpoint.condition.as_ref());
            condition.is_none_or(|condition| arrived.holds(condition))
        });
        (!owners.is_empty()).then(|| Box::new((owners, code)) as Box<dyn Any + Send>)
    };
    let (mut count, mut found) = (0, Vec::new());
    let limit = page.limit.unwrap_or(usize::MAX);
    debugger.execution.look_at_hits(table.sites(), &look, &mut |hit, seen| {
        let seen = seen.and_then(|seen| seen.downcast::<(Vec<BreakpointId>, Code)>().ok());
        let Some((breakpoints, code)) = seen.map(|seen| *seen) else {
            return ControlFlow::Continue(());
        };
        count += 1;
        if count > page.from && found.len() < limit {
            let (breakpoints, pc) = (breakpoints.into(), hit.pc);
            found.push(PastHit { breakpoints, position: hit.position, task: hit.task, pc, code });
        }
        if found.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

pub(super) fn chosen(
    debugger: &Debugger,
    of: &[BreakpointId],
) -> Result<Vec<Breakpoint>, DebugError> {
    of.iter().map(|&id| debugger.breakpoints.get(id).cloned()).collect()
}

fn view(debugger: &Debugger, n: usize, hit: &PastHit) -> HitView {
    let frames = hit.code.map_or_else(Vec::new, |(file, offset)| {
        debugger.catalog.frames_in(debugger.execution.as_ref(), file, offset)
    });
    HitView {
        n,
        breakpoints: hit.breakpoints.to_vec(),
        position: hit.position,
        task: hit.task,
        place: PlaceView::new(hit.pc, frames.first()),
    }
}
