//! What tests of several crates share.
//!
//! [`fake`] stands in for a replay.

pub mod fake;
