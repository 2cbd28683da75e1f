//! Events at any instruction of hot code: what is never cut in two, and races that show.
//!
//! `RETAKE_ROUNDS=20` repeats most of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use retake_testkit::{Retake, fixture, rounds, skip};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// How many of a recording's events lie in the middle of code.
fn in_the_middle_of_code(retake: &Retake, recording: &Path) -> usize {
    let events = retake.run(["events".as_ref(), recording.as_os_str()]).good().output();
    events.lines().filter(|line| line.contains("in the middle of code")).count()
}

/// A gather has done a part of its work when it is interrupted, and no replay stops there.
#[test]
fn gathers_are_not_left_half_done() {
    let program = fixture::c("c/hot/gathers.c", &[]);
    for _ in 0..rounds() {
        for options in [&[][..], &["--chaos"]] {
            let retake = retake();
            let ended = retake.round_trip("recording", options, &[&program]);
            if ended.output() == "no avx2\n" {
                skip("gathers_are_not_left_half_done", "the CPU has no AVX2");
                return;
            }
            let placed = in_the_middle_of_code(&retake, &retake.path("recording"));
            assert!(placed > 2, "{placed} events in the middle of code");
        }
    }
}
