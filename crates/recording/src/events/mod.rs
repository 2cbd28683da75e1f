//! Events: what they are, and how they lie in the chunks of the journal.

pub(crate) mod chunk;
pub(crate) mod effects;
pub(crate) mod event;
mod nested;
pub(crate) mod output_hash;
pub(crate) mod segment;
pub(crate) mod stream;
