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

/// Records a race ten times with these options, and says how often an update was lost. The last recording
/// that shows it, or else the last one, is replayed and verified.
fn lost_of_ten(program: &Path, args: &[&str], chaos: bool) -> usize {
    let retake = retake();
    let mut command = vec![program.to_str().expect("a path")];
    command.extend(args);
    let mut lost = Vec::new();
    for n in 0..10 {
        let (name, seed) = (format!("recording-{n}"), n.to_string());
        let options: &[&str] = if chaos { &["--chaos", "--seed", &seed] } else { &[] };
        let (dir, recorded) = retake.record(&name, options, &command);
        if recorded.code() == 1 || n == 9 && lost.is_empty() {
            lost.push((dir, recorded));
        }
    }
    if let Some((dir, recorded)) = lost.last() {
        for _ in 0..rounds() {
            let replayed = retake.replay(dir);
            assert_eq!(replayed.output(), recorded.output(), "{}", replayed.errors());
            assert_eq!(replayed.code(), recorded.code());
        }
        retake.verify(dir).good();
    }
    lost.iter().filter(|(_, recorded)| recorded.code() == 1).count()
}

/// Natively nearly always, on two CPUs.
#[track_caller]
fn is_lost(program: &Path, args: &[&str]) {
    let by_chaos = lost_of_ten(program, args, true);
    assert!(by_chaos >= 8, "an update is lost in {by_chaos} of 10 recordings with --chaos");
    let without = lost_of_ten(program, args, false);
    assert!(without >= 1, "an update is never lost without --chaos");
}

#[test]
fn a_lost_update_shows_between_load_and_store() {
    is_lost(&fixture::c("c/hot/race_loop.c", &["-O0"]), &[]);
    is_lost(&fixture::c("c/hot/race_loop.c", &["-O0"]), &["2", "10000000"]);
}

#[test]
fn a_lost_update_of_a_volatile_word_shows() {
    is_lost(&fixture::c("c/hot/race_loop.c", &["-O1", "-DVOLATILE"]), &["3"]);
}

#[test]
fn a_lost_update_of_a_static_word_shows() {
    is_lost(&fixture::rust("rust/race_loop.rs", &[]), &[]);
}

/// No interrupt cuts the one instruction in two, but another CPU does.
#[test]
fn a_lost_update_of_one_instruction_shows() {
    let program = fixture::c("c/hot/race_loop.c", &["-O2"]);
    let lost = lost_of_ten(&program, &[], true);
    assert!(lost >= 8, "an update is lost in {lost} of 10 recordings with --chaos");
    assert_eq!(lost_of_ten(&program, &[], false), 0, "without a second CPU nothing is lost");
}
