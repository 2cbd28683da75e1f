//! Hits over the whole recording: looking for them, and what is known of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use retake_execution::{Execution, Hit, Look, Seen, SiteTarget, State};
use retake_model::{Addr, FileId, FileOffset, Position, TaskId};

use crate::breakpoint::{Breakpoint, BreakpointId, SiteTable};
use crate::{DebugError, Progress, RequestControl};

/// The byte of a file that is executed at a place, if it is of a file.
type Code = Option<(FileId, FileOffset)>;

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
    counts: BTreeMap<BreakpointId, u64>,
    /// The number that the next hit from a position on has, where that was looked for last.
    numbers: BTreeMap<Numbered, (Position, u64)>,
}

/// A breakpoint, and the thread whose hits are counted, if not all are.
type Numbered = (BreakpointId, Option<TaskId>);

/// The last list of hits.
#[derive(Debug)]
struct LastHits {
    /// Of which breakpoints.
    of: Vec<BreakpointId>,
    /// Not known after a resume, until somebody asks.
    found: Option<Vec<PastHit>>,
}

impl History {
    /// What is left of it in a session: of which breakpoints the last list is.
    pub(crate) fn resumed(of: &[BreakpointId]) -> Self {
        let last = (!of.is_empty()).then(|| LastHits { of: of.to_vec(), found: None });
        Self { last, ..Self::default() }
    }

    /// Of which breakpoints the last list is, if there was one.
    pub(crate) fn of(&self) -> Option<&[BreakpointId]> {
        self.last.as_ref().map(|last| &last.of[..])
    }

    /// Whether the last list is of just these, and known.
    pub(crate) fn holds(&self, of: &[BreakpointId]) -> bool {
        self.last.as_ref().is_some_and(|last| last.of == of && last.found.is_some())
    }

    /// The last list; empty if it is not known.
    pub(crate) fn found(&self) -> &[PastHit] {
        self.last.as_ref().and_then(|last| last.found.as_deref()).unwrap_or_default()
    }

    pub(crate) fn remember(&mut self, of: Vec<BreakpointId>, found: Vec<PastHit>) {
        self.last = Some(LastHits { of, found: Some(found) });
    }

    /// How often a breakpoint is hit, if that is known.
    pub(crate) fn count(&self, id: BreakpointId) -> Option<u64> {
        self.counts.get(&id).copied()
    }

    pub(crate) fn set_count(&mut self, id: BreakpointId, count: u64) {
        self.counts.insert(id, count);
    }

    /// The number of the first hit from a position on, if that is known.
    pub(crate) fn number(&self, of: Numbered, at: Position) -> Option<u64> {
        self.numbers.get(&of).filter(|(known, _)| *known == at).map(|(_, number)| *number)
    }

    pub(crate) fn set_number(&mut self, of: Numbered, at: Position, number: u64) {
        self.numbers.insert(of, (at, number));
    }

    /// Counts the hits of each of these breakpoints.
    pub(crate) fn count_hits(&mut self, of: &[BreakpointId], found: &[PastHit]) {
        for &id in of {
            let count = found.iter().filter(|hit| hit.breakpoints.contains(&id)).count();
            self.counts.insert(id, count as u64);
        }
    }
}

/// Every hit of some breakpoints, in order.
pub(crate) fn all_hits<'a>(
    execution: &mut dyn Execution,
    breakpoints: impl IntoIterator<Item = &'a Breakpoint>,
    control: &RequestControl,
) -> Result<Vec<PastHit>, DebugError> {
    let table = SiteTable::new(breakpoints);
    let absolute = table.sites().iter().any(|site| matches!(site.target, SiteTarget::Absolute(_)));
    let events = execution.event_count();
    let mut found = Vec::new();
    let mut owners: BTreeMap<(Addr, Code), Rc<[BreakpointId]>> = BTreeMap::new();
    let at_code = |hit: &Hit, now: &dyn State| -> Seen {
        let code: Code = crate::code::file_at(now, hit.task, hit.pc);
        Some(Box::new(code))
    };
    let nothing = |_: &Hit, _: &dyn State| -> Seen { None };
    let look: &Look<'_> = if absolute { &at_code } else { &nothing };
    execution.look_at_hits(table.sites(), look, &mut |hit, seen| {
        let code = match table.target(hit.site) {
            Some(SiteTarget::Code { file, offset }) => Some((file, offset)),
            _ => seen.and_then(|seen| seen.downcast::<Code>().ok()).and_then(|code| *code),
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
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
