//! Checkpoints: on their way to disk, as they lie there, and the places that a debugger keeps.

pub(crate) mod checkpoint;
pub(crate) mod draft;
pub(crate) mod place;
pub(crate) mod resolved;
