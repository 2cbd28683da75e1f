//! What all recordings of a user share: kept files, and what was found out about them.

pub(crate) mod beside;
pub(crate) mod files;
pub(crate) mod noted;
pub(crate) mod remembered;
mod sparse;
