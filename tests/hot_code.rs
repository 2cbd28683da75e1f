//! Events in the middle of hot code, and the code cache that they are found from.
//!
//! `RETAKE_ROUNDS=20` repeats most of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use retake_testkit::{Retake, fixture, rounds};

/// All ways in which the code cache can work.
const WAYS: [&str; 4] = ["full", "small-cache", "single-instructions", "plain"];

/// Records, replays and verifies, also with all code from the cache in these ways.
#[track_caller]
fn check(name: &str, args: &[&str], ways: &[&str]) -> String {
    let program = fixture::c(name, &["-O1"]);
    let mut command = vec![program.to_str().expect("a path")];
    command.extend(args);
    let mut events = String::new();
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        retake.round_trip("recording", &[], &command);
        let recording = retake.path("recording");
        for way in ways {
            let translated = format!("--translated={way}");
            retake.run([Path::new("verify"), translated.as_ref(), &recording]).good();
        }
        events = retake.run([Path::new("events"), &recording]).good().output();
    }
    events
}

fn mid_code(events: &str) -> usize {
    events.lines().filter(|line| line.contains("in the middle of code")).count()
}

#[test]
fn a_timer_over_three_shifts() {
    let events = check("c/hot/shifts.c", &["200000000", "20000"], &WAYS[..1]);
    assert!(mid_code(&events) >= 2, "{events}");
}

/// What tells one turn from the next is in memory that a pointer in memory leads to, behind calls that are never
/// made.
#[test]
fn a_timer_over_a_loop_of_a_sanitizer() {
    let program = fixture::c("c/hot/checked.c", &["-O0", "-fsanitize=address"]);
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let ended = retake.round_trip("recording", &[], &[&program]);
        assert_eq!(ended.output(), "10 ticks in many turns\n");
    }
}

/// `rbp` need not be the address of a frame: what cannot be read tells nothing.
#[test]
fn code_that_keeps_another_address_in_rbp() {
    let events = check("c/hot/no_frame.c", &[], &WAYS[..1]);
    assert!(mid_code(&events) >= 5, "{events}");
}

/// How often the code cache was left to look at a place.
fn stops_at_tests(told: &str) -> u64 {
    let after = told.split("at tests ").nth(1).and_then(|rest| rest.split(';').next());
    after.and_then(|number| number.parse().ok()).expect("statistics")
}

/// What a program wrote when it was recorded, and what a verification says of it.
#[track_caller]
fn stats_of(name: &str, flags: &[&str]) -> (String, String) {
    let program = fixture::c(name, flags);
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let recording = retake.path("recording");
    let args = [Path::new("record"), "-q".as_ref(), "-o".as_ref(), &recording, "--".as_ref()];
    retake.run(args.into_iter().chain([program.as_path()])).good();
    let ended = retake.replay(&recording).good().output();
    let verify = ["verify", "-j1", "--stats"].map(Path::new);
    (ended, retake.run(verify.into_iter().chain([recording.as_path()])).good().output())
}

/// An interpreter passes a place millions of times with equal registers and an equal stack.
#[test]
fn a_timer_over_an_interpreter() {
    for _ in 0..rounds() {
        let (ended, told) = stats_of("c/hot/interpreted.c", &["-O1"]);
        assert_eq!(ended, "many turns\n");
        // Of millions of turns: some are looked at to find out what tells them apart.
        assert!(stops_at_tests(&told) < 1000, "{told}");
    }
}

/// What counts the rounds of a lock is in the program's data, behind pages that are retake's.
#[test]
fn a_timer_over_rounds_that_only_a_count_tells_apart() {
    for _ in 0..rounds() {
        let (ended, told) = stats_of("c/hot/locked_count.c", &["-O1", "-pthread"]);
        assert_eq!(ended, "enough ticks in many rounds\n");
        assert!(stops_at_tests(&told) < 1000, "{told}");
    }
}

/// The signal of a profiler asks where the program is.
#[test]
fn a_profiler_finds_the_function_that_computes() {
    let program = fixture::c("c/hot/sampled.c", &["-O1"]);
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let ended = retake.round_trip("recording", &[], &[&program]);
        assert_eq!(ended.output(), "in the function\n");
    }
}

/// A task is stepped into its handler: the trap flag of that is not the program's.
#[test]
fn a_timer_over_code_that_loads_flags() {
    let program = fixture::c("c/hot/restores_flags.c", &["-O1"]);
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let ended = retake.round_trip("recording", &[], &[&program]);
        assert_eq!(ended.output(), "turns, 0 with a trap flag\n");
    }
}

#[test]
fn threads_that_compute_side_by_side() {
    let events = check("c/hot_loop.c", &["150000000"], &WAYS[..1]);
    assert!(mid_code(&events) >= 1, "{events}");
}

#[test]
fn every_way_of_the_cache() {
    check("c/hot/shifts.c", &["3000000", "5000"], &WAYS);
}

#[test]
fn code_that_is_replaced_now_and_then() {
    check("c/hot/made_code.c", &["writable"], &WAYS);
}

#[test]
fn code_that_is_written_before_each_call() {
    check("c/hot/made_code.c", &["rewritten"], &WAYS[..1]);
}

#[test]
fn code_in_pages_that_are_made_writable_again() {
    check("c/hot/made_code.c", &["toggled"], &WAYS);
}

#[test]
fn code_that_is_mapped_twice() {
    check("c/hot/made_code.c", &["shared"], &WAYS);
}

/// As a program does whose return address or function pointer was overwritten.
#[test]
fn branches_to_addresses_that_cannot_be() {
    check("c/hot/wild_branches.c", &[], &WAYS);
}

/// Calls that were recorded without a stop are replayed without one, and count as many events.
#[test]
fn clock_reads_in_a_row() {
    let events = check("c/hot/clock_spin.c", &["20000"], &WAYS[..1]);
    assert!(events.lines().filter(|line| line.contains("clock_gettime")).count() >= 20000);
}
