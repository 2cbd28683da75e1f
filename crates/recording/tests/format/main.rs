//! The format on disk: what is written is read.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod folder;
mod strategies;
mod written;
