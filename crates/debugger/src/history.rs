//! Hits over the whole recording.

use std::ops::ControlFlow;

use retake_execution::{Execution, SiteTarget};
use retake_model::{Addr, FileId, FileOffset, Position, TaskId};

use crate::DebugError;
use crate::breakpoint::{Breakpoint, BreakpointId, SiteTable};
use crate::code::Catalog;
use crate::debugger::place_view;
use crate::output::HitView;

/// One hit, before its source line is looked up.
#[derive(Clone, Debug)]
pub(crate) struct PastHit {
    pub(crate) breakpoints: Vec<BreakpointId>,
    pub(crate) position: Position,
    pub(crate) task: TaskId,
    pub(crate) pc: Addr,
    code: Option<(FileId, FileOffset)>,
}

impl PastHit {
    /// The hit for people.
    pub(crate) fn view(&self, n: usize, execution: &dyn Execution, catalog: &Catalog) -> HitView {
        let frames = self
            .code
            .map_or_else(Vec::new, |(file, offset)| catalog.frames_in(execution, file, offset));
        HitView {
            n,
            breakpoints: self.breakpoints.clone(),
            position: self.position.to_string(),
            task: self.task,
            place: place_view(self.pc, frames.first()),
        }
    }
}

/// Every hit of some breakpoints, in order.
pub(crate) fn all_hits<'a>(
    execution: &mut dyn Execution,
    breakpoints: impl IntoIterator<Item = &'a Breakpoint>,
) -> Result<Vec<PastHit>, DebugError> {
    let table = SiteTable::new(breakpoints);
    let absolute = table.sites().iter().any(|site| matches!(site.target, SiteTarget::Absolute(_)));
    let mut found = Vec::new();
    execution.hits(table.sites(), &mut |hit, now| {
        let code = match table.target(hit.site) {
            Some(SiteTarget::Code { file, offset }) => Some((file, offset)),
            _ if absolute => crate::code::file_at(now, hit.task, hit.pc),
            _ => None,
        };
        found.push(PastHit {
            breakpoints: table.breakpoints(hit.pc, code),
            position: hit.position,
            task: hit.task,
            pc: hit.pc,
            code,
        });
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
