//! Recording a fixture again and again.

use std::path::Path;

use crate::{Retake, fixture};

/// Options for checkpoints so often that most fixtures have several.
pub const OFTEN: &[&str] = &["--checkpoint-every", "20ms"];

/// How often each program is recorded: what `RETAKE_ROUNDS` says, or once.
pub fn rounds() -> usize {
    std::env::var("RETAKE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Records, replays and verifies a C fixture with checkpoints every 20 ms, as often as
/// `RETAKE_ROUNDS` says. Gives what the last run printed.
///
/// # Panics
/// When it ends with another code, or anything differs.
#[track_caller]
pub fn check_fixture(bin: impl AsRef<Path>, name: &str, code: i32) -> String {
    let program = fixture::c(name, &[]);
    let round = || {
        let ended = Retake::new(bin.as_ref()).round_trip("recording", OFTEN, &[&program]);
        assert_eq!(ended.code(), code, "{}\n{}", ended.output(), ended.errors());
        ended.output()
    };
    let mut output = round();
    for _ in 1..rounds() {
        output = round();
    }
    output
}
