//! Hits over the whole recording.

use super::breakpoints;
use crate::answers::{HitView, Page, PlaceView};
use crate::breakpoint::{Breakpoint, BreakpointId, SiteTable};
use crate::history::{PastHit, some_hits};
use crate::requests::{Chosen, PageRequest};
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
    let table = SiteTable::new(&chosen(debugger, of)?);
    if let Some(count) = debugger.history.count(of) {
        return Ok(count);
    }
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
    some_hits(debugger.execution.as_mut(), &chosen, page, control)
}

fn chosen(debugger: &Debugger, of: &[BreakpointId]) -> Result<Vec<Breakpoint>, DebugError> {
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
