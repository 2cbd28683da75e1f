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

/// How a race is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Plain,
    Chaos,
}

/// Records a race until an update was lost `wanted` times, `most` times at most, and says how often it was. The
/// last recording that shows it, or else the last one, is replayed and verified. (How often of ten is a
/// figure for the README; busy machines change it.)
fn lost(program: &Path, args: &[&str], how: How, (wanted, most): (usize, usize)) -> usize {
    let retake = retake();
    let mut command = vec![program.to_str().expect("a path")];
    command.extend(args);
    let mut lost = 0;
    let mut last = None;
    for n in 0..most {
        let (name, seed) = (format!("recording-{n}"), n.to_string());
        let options: &[&str] = match how {
            How::Chaos => &["--chaos", "--seed", &seed],
            How::Plain => &[],
        };
        let (dir, recorded) = retake.record(&name, options, &command);
        let shows = recorded.code() == 1;
        lost += usize::from(shows);
        if shows || lost == 0 {
            last = Some((dir, recorded));
        }
        if lost == wanted {
            break;
        }
    }
    if let Some((dir, recorded)) = &last {
        for _ in 0..rounds() {
            let replayed = retake.replay(dir);
            assert_eq!(replayed.output(), recorded.output(), "{}", replayed.errors());
            assert_eq!(replayed.code(), recorded.code());
        }
        retake.verify(dir).good();
    }
    lost
}

/// Natively nearly always, on two CPUs.
#[track_caller]
fn is_lost(program: &Path, args: &[&str]) {
    let by_chaos = lost(program, args, How::Chaos, (4, 20));
    assert_eq!(by_chaos, 4, "an update is lost in {by_chaos} of 20 recordings with --chaos");
    assert_eq!(lost(program, args, How::Plain, (1, 150)), 1, "none is lost without --chaos");
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
    let by_chaos = lost(&program, &[], How::Chaos, (4, 20));
    assert_eq!(by_chaos, 4, "an update is lost in {by_chaos} of 20 recordings with --chaos");
    assert_eq!(lost(&program, &[], How::Plain, (1, 10)), 0, "one CPU loses none");
}
