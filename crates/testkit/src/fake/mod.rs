//! A recording that exists only in memory: a script of moments behind [`retake_execution::Execution`].
//!
//! [`FakeBuilder`] writes the script (tasks, steps, events, register values, memory), and
//! [`FakeExecution`] moves through it exactly as a replay would: forwards, backwards, to any
//! position, with divergence and interruption where the test asks for them.

mod builder;
mod diversion;
mod events;
mod execution;
mod memory;
mod moment;
mod running;

#[cfg(test)]
mod tests;

pub use builder::FakeBuilder;
pub use execution::FakeExecution;
