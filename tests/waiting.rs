//! Tasks that wait for one another in loops without calls: each hand-over costs some events at most, and
//! the replay is the same.
//!
//! `RETAKE_ROUNDS=20` repeats them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use retake_testkit::{OFTEN, Retake, fixture, rounds};

const CHAOS: &[&str] = &["--chaos"];

/// Records, replays and verifies with these options. The program prints `wanted`, and the recording has
/// fewer than `limit` events.
#[track_caller]
fn check(name: &str, options: &[&str], args: &[&str], wanted: &str, limit: usize) {
    let program = fixture::c(name, &[]);
    let mut command = vec![program.to_str().expect("a path")];
    command.extend(args);
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let ended = retake.round_trip("recording", options, &command);
        assert_eq!(ended.code(), 0, "{}\n{}", ended.output(), ended.errors());
        assert_eq!(ended.output(), wanted, "{command:?} {options:?}");
        let recording = retake.path("recording");
        let events = retake.run(["events".as_ref(), recording.as_os_str()]).good().output();
        let events = events.lines().count();
        assert!(events < limit, "{command:?} {options:?}: {events} events");
    }
}

/// The same as usual, and with checkpoints often.
#[track_caller]
fn check_both(name: &str, args: &[&str], wanted: &str, limit: usize) {
    check(name, &[], args, wanted, limit);
    check(name, OFTEN, args, wanted, limit);
}

/// The same with turns that are drawn by lot.
#[track_caller]
fn check_at_random(name: &str, args: &[&str], wanted: &str) {
    const LIMIT: usize = 5_000;
    check(name, CHAOS, args, wanted, LIMIT);
    check(name, &[OFTEN, CHAOS].concat(), args, wanted, LIMIT);
}

/// 4000 hand-overs: one event for each, and about 80 for the start and the end.
#[test]
fn a_token_handed_over() {
    check_both("c/waiting/handoff.c", &[], "3998000\n", 12_000);
}

#[test]
fn a_token_handed_over_at_random() {
    check_at_random("c/waiting/handoff.c", &["500"], "249500\n");
}

/// Who looks at a word for a counted number of times, and then waits in the kernel, gives way long before that.
#[test]
fn a_counted_wait() {
    check_both("c/waiting/counted.c", &[], "200 rounds, few looks 1\n", 6_000);
}

#[test]
fn a_counted_wait_at_random() {
    check_at_random("c/waiting/counted.c", &["50"], "50 rounds\n");
}

/// 300 times three threads wait for a fourth.
#[test]
fn a_barrier() {
    check_both("c/waiting/barrier.c", &[], "300 rounds, 179400\n", 6_000);
}

#[test]
fn a_barrier_at_random() {
    check_at_random("c/waiting/barrier.c", &["100"], "100 rounds, 19800\n");
}

/// A holder that loses the CPU keeps the other two waiting: that happens a few times only.
#[test]
fn a_ticket_lock() {
    check_both("c/waiting/ticket_lock.c", &[], "374250\n", 5_000);
    check_both("c/waiting/ticket_lock.c", &["20000"], "599970000\n", 5_000);
}

#[test]
fn a_ticket_lock_at_random() {
    check_at_random("c/waiting/ticket_lock.c", &["200"], "59700\n");
    check_at_random("c/waiting/ticket_lock.c", &["2000"], "5997000\n");
}

/// 2000 numbers through a ring of four, between two processes that share only that memory.
#[test]
fn a_ring_between_processes() {
    check_both("c/waiting/ring.c", &[], "1999000\n", 12_000);
}

#[test]
fn a_ring_between_processes_at_random() {
    check_at_random("c/waiting/ring.c", &["500"], "124750\n");
}

/// A task that waits, and at times goes another way around the same loop that leaves the same registers. How
/// often depends on where it waits: at most 2,000 calls of sched_yield(2) lie between.
#[test]
fn a_loop_with_two_ways_around() {
    check_both("c/waiting/two_ways_around.c", &["200"], "done 400\n", 20_000);
    check_at_random("c/waiting/two_ways_around.c", &["50"], "done 100\n");
}
