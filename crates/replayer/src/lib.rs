//! Restores and re-executes recordings.
//!
//! Principal types: [`Machine`], the replayed processes at one event, which restores checkpoints and
//! re-executes event by event; [`Timeline`], which moves over a whole recording and implements
//! [`retake_execution::Execution`]; [`replay`] and [`verify`], which go through all of it.
//!
//! Every event is checked: a task that does not arrive at the recorded call with the recorded
//! registers is a [`retake_execution::Divergence`], and so is a checkpoint whose pages differ. Replay
//! touches nothing of the host: no recorded call is made but those that shape memory, in processes that
//! a seccomp filter confines.

mod ahead;
mod apply;
mod arrivals;
mod check;
mod copy;
mod describe;
mod displaced;
mod diversion;
mod failure;
mod fresh;
mod intervals;
mod live;
mod looking;
mod machine;
mod means;
mod midcode;
mod moving;
mod processor;
mod questions;
mod restore;
mod reuse;
mod run;
mod search;
mod sites;
mod stepping;
mod thread;
mod timeline;
mod translated;
mod watch;
mod watched;
mod whole;

pub use describe::describe_event;
pub use machine::{Machine, Pace, Sink, Variation};
pub use retake_translator::Statistics as TranslationStatistics;
pub use search::{Audience, Control, Observer, SearchProgress};
pub use timeline::Timeline;
pub use whole::{VerifyReport, replay, verify};
