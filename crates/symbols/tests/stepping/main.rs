//! What stepping asks of a module: statements, frames, places that are gone through.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod frames;
mod hostile;
mod places;
mod statements;
mod support;
