//! What tests of several crates share. A dev-dependency only.
//!
//! [`fake`] stands in for a replay; [`fixture`] builds the programs in `fixtures/`; [`hostile`]
//! gives readers inputs that nobody sane wrote; [`Retake`] is the
//! command as users call it; [`Delve`] debugs with it; [`node`] has packages of npm; [`require()`] finds tools, or says that a test is skipped.

#![expect(clippy::panic, reason = "a test's support fails by panicking")]

mod delve;
mod dispositions;
pub mod fake;
pub mod fixture;
pub mod go;
pub mod hostile;
pub mod node;
mod require;
mod retake;
mod rounds;

pub use delve::Delve;
pub use require::{NO_SKIP, find, require, skip};
pub use retake::{Ended, Guarded, Retake, finish};
pub use rounds::{OFTEN, check_as_native, check_fixture, rounds};
