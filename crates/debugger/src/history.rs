//! Hits over the whole recording: looking for them, and what is known of them.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use retake_execution::{Execution, Hit, Seen, SiteTarget, State};
use retake_model::{Addr, FileId, FileOffset, Position, TaskId};

use crate::breakpoint::{Breakpoint, BreakpointId, SiteTable};
use crate::requests::PageRequest;
use crate::{DebugError, Progress, RequestControl};

/// The byte of a file that is executed at a place, if it is of a file.
pub(crate) type Code = Option<(FileId, FileOffset)>;

/// One hit, before its source line is looked up.
#[derive(Clone, Debug)]
pub(crate) struct PastHit {
    /// Shared, as lists are long and most hits have the same breakpoints.
    pub(crate) breakpoints: Rc<[BreakpointId]>,
    pub(crate) position: Position,
    pub(crate) task: TaskId,
    pub(crate) pc: Addr,
    pub(crate) code: Code,
}

/// What is known of hits.
#[derive(Debug, Default)]
pub(crate) struct History {
    last: Option<LastHits>,
    counts: BTreeMap<Vec<BreakpointId>, u64>,
    /// The number that the next hit from a position on has, where that was looked for last.
    numbers: BTreeMap<Numbered, (Position, u64)>,
    /// The hits at which breakpoints stop, where those could be listed.
    stops: BTreeMap<BreakpointId, Stops>,
}

/// Positions in order; nothing where they cannot be listed.
pub(crate) type Stops = Option<Rc<[Position]>>;

/// A breakpoint, and the thread whose hits are counted, if not all are.
type Numbered = (BreakpointId, Option<TaskId>);

/// The part of a list of hits that was asked for last.
#[derive(Debug, Default)]
struct LastHits {
    /// Of which breakpoints.
    of: Vec<BreakpointId>,
    /// How many come before it.
    from: usize,
    /// Nothing after a resume, until somebody asks.
    found: Vec<PastHit>,
}

impl History {
    /// What is left of it in a session: of which breakpoints the last list is.
    pub(crate) fn resumed(of: &[BreakpointId]) -> Self {
        let last = (!of.is_empty()).then(|| LastHits { of: of.to_vec(), ..LastHits::default() });
        Self { last, ..Self::default() }
    }

    /// Of which breakpoints the last list is, if there was one.
    pub(crate) fn of(&self) -> Option<&[BreakpointId]> {
        self.last.as_ref().map(|last| &last.of[..])
    }

    /// The `n`th hit, from 1, of just these breakpoints, if it was listed last.
    pub(crate) fn listed(&self, of: &[BreakpointId], n: usize) -> Option<&PastHit> {
        let last = self.last.as_ref().filter(|last| last.of == of)?;
        last.found.get(n.checked_sub(1)?.checked_sub(last.from)?)
    }

    pub(crate) fn remember(&mut self, of: Vec<BreakpointId>, from: usize, found: Vec<PastHit>) {
        self.last = Some(LastHits { of, from, found });
    }

    /// How often these breakpoints are hit, if that is known.
    pub(crate) fn count(&self, of: &[BreakpointId]) -> Option<u64> {
        self.counts.get(of).copied()
    }

    pub(crate) fn set_count(&mut self, of: Vec<BreakpointId>, count: u64) {
        self.counts.insert(of, count);
    }

    /// The hits at which a breakpoint stops, if somebody has tried to list them.
    pub(crate) fn stops(&self, of: BreakpointId) -> Option<Stops> {
        self.stops.get(&of).cloned()
    }

    pub(crate) fn set_stops(&mut self, of: BreakpointId, stops: Stops) {
        self.stops.insert(of, stops);
    }

    /// The number of the first hit from a position on, if that is known.
    pub(crate) fn number(&self, of: Numbered, at: Position) -> Option<u64> {
        self.numbers.get(&of).filter(|(known, _)| *known == at).map(|(_, number)| *number)
    }

    pub(crate) fn set_number(&mut self, of: Numbered, at: Position, number: u64) {
        self.numbers.insert(of, (at, number));
    }
}

/// Hits of some breakpoints, in order: without the first ones, and so many at most.
pub(crate) fn some_hits<'a>(
    execution: &mut dyn Execution,
    breakpoints: impl IntoIterator<Item = &'a Breakpoint>,
    page: PageRequest,
    control: &RequestControl,
) -> Result<Vec<PastHit>, DebugError> {
    let table = SiteTable::new(breakpoints);
    let absolute = table.sites().iter().any(|site| matches!(site.target, SiteTarget::Absolute(_)));
    let events = execution.event_count();
    let mut found = Vec::new();
    let mut owners: BTreeMap<(Addr, Code), Rc<[BreakpointId]>> = BTreeMap::new();
    let mut keep = |hit: &Hit, code: Code| {
        let code = match table.target(hit.site) {
            Some(SiteTarget::Code { file, offset }) => Some((file, offset)),
            _ => code,
        };
        let breakpoints =
            owners.entry((hit.pc, code)).or_insert_with(|| table.breakpoints(hit.pc, code).into());
        found.push(PastHit {
            breakpoints: Rc::clone(breakpoints),
            position: hit.position,
            task: hit.task,
            pc: hit.pc,
            code,
        });
        let (event, hits) = (hit.position.event(), found.len() as u64);
        control.report(&Progress { event, events, hits });
        match page.limit {
            Some(limit) if found.len() >= limit => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let code_at = |hit: &Hit, now: &dyn State| match absolute {
        true => crate::code::file_at(now, hit.task, hit.pc),
        false => None,
    };
    match (page.from, page.limit) {
        (_, Some(0)) => {}
        // All of them: several stretches may be gone through at the same time.
        (0, None) => {
            let look = |hit: &Hit, now: &dyn State| -> Seen {
                absolute.then(|| Box::new(code_at(hit, now)) as Box<dyn Any + Send>)
            };
            execution.look_at_hits(table.sites(), &look, &mut |hit, seen| {
                let seen = seen.and_then(|seen| seen.downcast::<Code>().ok());
                keep(&hit, seen.and_then(|code| *code))
            })?;
        }
        (from, _) => {
            execution
                .hits(table.sites(), from as u64, &mut |hit, now| keep(hit, code_at(hit, now)))?;
        }
    }
    Ok(found)
}
