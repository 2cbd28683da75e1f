//! Hits over the whole recording.

use super::breakpoints;
use crate::answers::{HitView, Page, PlaceView};
use crate::breakpoint::{BreakpointId, SiteTable};
use crate::history::{PastHit, all_hits};
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
    remember(debugger, of, control)?;
    let found = debugger.history.found();
    let wanted = (1_usize..).zip(found).skip(page.from).take(page.limit.unwrap_or(usize::MAX));
    let items = wanted.map(|(n, hit)| view(debugger, n, hit)).collect();
    Ok(Answer::Hits(Page { from: page.from, total: found.len(), items }))
}

/// How often a breakpoint is hit over the whole recording.
pub(super) fn count(debugger: &mut Debugger, id: BreakpointId) -> Result<u64, DebugError> {
    let table = SiteTable::new([debugger.breakpoints.get(id)?]);
    if let Some(count) = debugger.history.count(id) {
        return Ok(count);
    }
    // They are counted without a stop, and may be millions.
    let count = debugger.execution.count_hits(table.sites(), None)?;
    debugger.history.set_count(id, count);
    Ok(count)
}

/// The `n`th hit, from 1, of a breakpoint or of the last list. Its list becomes the last one.
pub(super) fn nth(
    debugger: &mut Debugger,
    breakpoint: Option<BreakpointId>,
    n: usize,
    control: &RequestControl,
) -> Result<PastHit, DebugError> {
    let of = match (breakpoint, debugger.history.of()) {
        (Some(id), _) => breakpoints::numbers(debugger, &Chosen::These(vec![id]))?,
        (None, Some(last)) => last.to_vec(),
        (None, None) => breakpoints::numbers(debugger, &Chosen::All)?,
    };
    remember(debugger, of, control)?;
    let found = debugger.history.found();
    let hit = n.checked_sub(1).and_then(|index| found.get(index)).cloned();
    let count = found.len();
    hit.ok_or_else(|| DebugError::NotFound(format!("there is no hit {n}; there are {count}")))
}

/// Makes the hits of these breakpoints the last list. A recording does not change and a number is
/// never given twice, so the last list is not searched for again.
fn remember(
    debugger: &mut Debugger,
    of: Vec<BreakpointId>,
    control: &RequestControl,
) -> Result<(), DebugError> {
    if !debugger.history.holds(&of) {
        let found = search(debugger, &of, control)?;
        debugger.history.remember(of, found);
    }
    Ok(())
}

fn search(
    debugger: &mut Debugger,
    of: &[BreakpointId],
    control: &RequestControl,
) -> Result<Vec<PastHit>, DebugError> {
    let mut chosen = Vec::new();
    for &id in of {
        chosen.push(debugger.breakpoints.get(id)?.clone());
    }
    let found = all_hits(debugger.execution.as_mut(), &chosen, control)?;
    debugger.history.count_hits(of, &found);
    Ok(found)
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
