//! Ends that tracers have not been told of.

use retake_model::{TaskId, Tid};

use super::state::Tracer;

/// Ends of traced tasks whose tracer does not learn of them from the kernel.
#[derive(Debug, Default)]
pub(crate) struct Ends(pub(super) Vec<End>);

#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) by: Tracer,
    pub(super) tid: Tid,
    pub(super) status: u32,
}

impl Ends {
    pub(super) fn add(&mut self, by: Tracer, tid: Tid, status: u32) {
        self.0.push(End { by, tid, status });
    }

    /// A tracer has ended: it waits for nobody.
    pub(super) fn forget(&mut self, tracer: TaskId) {
        self.0.retain(|end| end.by.task != tracer);
    }
}
