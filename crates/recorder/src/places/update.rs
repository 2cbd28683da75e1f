//! An update of memory that a task is in the middle of.

use retake_model::Addr;

/// What a task has read that stands at an instruction which updates memory.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(super) addr: Addr,
    pub(super) read: Vec<u8>,
}
