//! What is written is read.

mod checkpoints;
mod files;
mod records;
