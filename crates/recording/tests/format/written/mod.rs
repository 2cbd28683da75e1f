//! What is written is read.

pub(crate) mod checkpoints;
mod files;
mod records;
