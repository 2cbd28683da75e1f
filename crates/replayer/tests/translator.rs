//! Translated code does what the program's own does: random code is run both ways, and compared.
//!
//! ```text
//! RETAKE_TRANSLATOR_CASES=10000000 cargo test --release -p retake-replayer --test translator
//! ```
//!
//! `RETAKE_SEED` repeats what a failure names.

#![expect(clippy::panic, reason = "a test's support fails by panicking")]
#![expect(clippy::unwrap_used, reason = "as above")]
#![expect(clippy::print_stderr, reason = "the seed and what was tried")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "random bits are cut to size"
)]

#[path = "translator/bench.rs"]
mod bench;
#[path = "translator/compare.rs"]
mod compare;
#[path = "translator/forms.rs"]
mod forms;
#[path = "translator/inside.rs"]
mod inside;
#[path = "translator/pieces.rs"]
mod pieces;
#[path = "translator/random.rs"]
mod random;
#[path = "translator/rng.rs"]
mod rng;
#[path = "translator/supply.rs"]
mod supply;
