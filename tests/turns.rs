//! Whose turn it is: who goes on first, and that nobody is kept from running.
//!
//! `RETAKE_ROUNDS=20` repeats them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use retake_testkit::{OFTEN, Retake, fixture, rounds};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Records, replays and verifies a fixture once with these options; what it printed.
#[track_caller]
fn round(name: &str, options: &[&str], args: &[&str]) -> String {
    let program = fixture::c(name, &[]);
    let mut command = vec![program.to_str().expect("a path")];
    command.extend(args);
    let ended = retake().round_trip("recording", options, &command);
    assert_eq!(ended.code(), 0, "{}\n{}", ended.output(), ended.errors());
    ended.output()
}

/// The same as often as `RETAKE_ROUNDS` says: each time it prints `wanted`.
#[track_caller]
fn check(name: &str, options: &[&str], args: &[&str], wanted: &str) {
    for _ in 0..rounds() {
        assert_eq!(round(name, options, args), wanted, "{name} {options:?} {args:?}");
    }
}

/// How many of the recording's events lie in the middle of code.
fn in_the_middle_of_code(retake: &Retake, recording: &Path) -> usize {
    let events = retake.run(["events".as_ref(), recording.as_os_str()]).good().output();
    events.lines().filter(|line| line.contains("in the middle of code")).count()
}

#[test]
fn turns_handed_over_with_sched_yield() {
    check("c/turns/yield_handover.c", OFTEN, &[], "2000 turns\n");
    check("c/turns/yield_handover.c", &["--chaos"], &[], "2000 turns\n");
}

/// A few instructions between two locks are all that the other thread has to come in.
#[test]
fn a_mutex_that_is_nearly_always_held() {
    check("c/turns/polled_mutex.c", OFTEN, &[], "done\n");
    check("c/turns/polled_mutex.c", &["--chaos"], &[], "done\n");
}

/// One thread reads a clock in a loop, without a stop, when another one has slept: that gets its turn long before
/// the buffer of such calls is full (some 5,600 of them).
#[test]
fn a_turn_ends_at_a_call_that_is_made_without_a_stop() {
    let retake = retake();
    let program = fixture::c("c/turns/polled_mutex.c", &[]);
    let (recording, ended) = retake.record("recording", &[], &[&program]);
    assert_eq!(ended.output(), "done\n", "{}", ended.errors());
    let events = retake.run(["events".as_ref(), recording.as_os_str()]).good().output();
    let (mut since, mut waits) = (None, Vec::new());
    for line in events.lines() {
        let of_first = line.contains(" task 0 ");
        if of_first && line.contains("clock_nanosleep =") {
            since = Some(0);
        } else if of_first {
            waits.extend(since.take());
        } else if let Some(calls) = &mut since {
            *calls += 1;
        }
    }
    let soon = waits.iter().filter(|calls| **calls < 4000).count();
    assert!(waits.len() > 40, "{waits:?}");
    assert!(soon * 2 > waits.len(), "calls that others make before it goes on: {waits:?}");
}

/// Natively nearly always the maker.
#[test]
fn a_new_thread_begins_after_its_maker_goes_on() {
    for _ in 0..rounds() {
        let output = round("c/turns/new_thread_first.c", OFTEN, &[]);
        let new_first: u32 = output.trim().parse().expect("a number");
        assert!(new_first <= 5, "the new thread was first {new_first} times of 20");
    }
}

/// Of 80 new threads neither nearly all nor nearly none go first: each is drawn by lot.
#[test]
fn at_random_either_goes_first() {
    for _ in 0..rounds() {
        let new_first = |seed: &str| {
            let options = ["--chaos", "--seed", seed];
            let output = round("c/turns/new_thread_first.c", &options, &[]);
            output.trim().parse::<u32>().expect("a number")
        };
        let each = ["1", "2", "3", "4"].map(new_first);
        let all: u32 = each.iter().sum();
        assert!((12..=68).contains(&all), "the new thread was first {each:?} times of 20 each");
    }
}

/// Each signal of the timer is delivered before the next one, whatever the period is.
#[test]
fn a_timer_over_a_busy_loop() {
    for period in ["200", "500", "1000", "2000", "5000", "10000"] {
        check("c/turns/busy_ticks.c", OFTEN, &[period], "20 ticks\n");
    }
}

#[test]
fn a_timer_over_a_busy_loop_at_random() {
    for period in ["200", "1000", "2000", "5000", "10000"] {
        check("c/turns/busy_ticks.c", &["--chaos"], &[period], "20 ticks\n");
    }
}

/// A task that computes without calls leaves the CPU soon to one that wakes up. What else runs on the
/// machine delays it as well, hence the generous limit, and that one good recording of five is enough.
#[test]
fn one_prints_while_another_computes() {
    for _ in 0..rounds() {
        let name = "c/turns/prints_while_another_computes.c";
        let wanted = "child 7, each print in time: yes\n";
        let good = (0..5).any(|_| round(name, OFTEN, &["250"]) == wanted);
        assert!(good, "a print came more than 250 ms late, each time");
    }
}

/// A shell only waits for its command: nothing has to interrupt that. (But for a checkpoint, on a machine where the
/// third of a second takes many.)
#[test]
fn a_command_of_a_shell_is_not_interrupted() {
    const SELDOM: &[&str] = &["--checkpoint-every", "5m"];
    let program = fixture::c("c/turns/fib.c", &[]);
    // A shell may execute the last command itself, and never the first of two.
    for command in ["./fib", "./fib; exit 0"] {
        for _ in 0..rounds() {
            let retake = retake();
            fs::copy(&program, retake.path("fib")).expect("a copy");
            let ended = retake.round_trip("recording", SELDOM, &["sh", "-c", command]);
            assert_eq!(ended.output(), "fib 39088169\n", "{}", ended.errors());
            let placed = in_the_middle_of_code(&retake, &retake.path("recording"));
            assert_eq!(placed, 0, "{command}: events in the middle of code");
        }
    }
}
