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

/// All lines but the last, which is different in each run.
fn head(output: &str) -> &str {
    output.trim_end().rsplit_once('\n').map_or("", |(head, _)| head)
}

/// Records, replays and verifies a C fixture as [`check_fixture`] does, and with `--chaos` as well: it must
/// print what it prints by itself, but for its last line. Gives that.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn check_as_native(bin: impl AsRef<Path>, name: &str) -> String {
    let program = fixture::c(name, &[]);
    let native = crate::finish(std::process::Command::new(&program)).good().output();
    assert!(head(&native).lines().count() > 3, "{native}");
    for _ in 0..rounds() {
        for chaos in [&[][..], &["--chaos"]] {
            let options = [OFTEN, chaos].concat();
            let retake = Retake::new(bin.as_ref());
            let ended = retake.round_trip("recording", &options, &[&program]);
            assert_eq!(ended.code(), 0, "{}\n{}", ended.output(), ended.errors());
            assert_eq!(head(&ended.output()), head(&native), "{options:?}");
        }
    }
    native
}
