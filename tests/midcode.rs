//! Signals and changes of tasks in code that makes no system call.
//!
//! `RETAKE_ROUNDS=20` repeats most of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use retake_testkit::{Retake, fixture, rounds};

const OFTEN: &[&str] = &["--checkpoint-every", "100ms"];

/// Records, replays and verifies; the recording must have events in the middle of code.
#[track_caller]
fn check(name: &str, flags: &[&str], args: &[&str]) -> String {
    check_placed(name, flags, args, 2)
}

/// The same with so many of those events at least.
#[track_caller]
fn check_placed(name: &str, flags: &[&str], args: &[&str], least: usize) -> String {
    let program = fixture::c(name, flags);
    let mut output = round(&program, args, least);
    for _ in 1..rounds() {
        output = round(&program, args, least);
    }
    output
}

fn round(program: &Path, args: &[&str], least: usize) -> String {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let mut command = vec![program.to_str().expect("a path")];
    command.extend(args);
    let recorded = retake.round_trip("recording", OFTEN, &command);
    let events = retake.run([Path::new("events"), &retake.path("recording")]).good().output();
    let placed = events.lines().filter(|line| line.contains("in the middle of code")).count();
    assert!(placed >= least, "{placed} events in the middle of code:\n{events}");
    recorded.output()
}

#[test]
fn a_timer_over_calls() {
    for flags in [&["-O0"][..], &["-O2"]] {
        let output = check("c/alarm_loop.c", flags, &["20000"]);
        let signals = output.split(' ').next().and_then(|count| count.parse::<u32>().ok());
        assert!(signals.expect("a count") > 2, "{output}");
    }
}

#[test]
fn a_thread_that_spins_on_a_flag() {
    for flags in [&["-O0"][..], &["-O2"]] {
        check("c/spin_flag.c", flags, &["15000"]);
    }
}

#[test]
fn a_spin_lock_held_across_a_preemption() {
    check("c/spin_lock.c", &["-O2"], &[]);
}

#[test]
fn a_timer_over_deep_recursion() {
    check("c/fib_alarm.c", &["-O1"], &["38"]);
}

/// Scheduling at random is replayed as it was.
#[test]
fn chaos() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/race.c", &["-O2"]);
    let options = ["--checkpoint-every", "5ms", "--chaos"];
    let mut preempted = 0;
    for name in ["first", "second", "third", "fourth", "fifth", "sixth"] {
        retake.round_trip(name, &options, &[&program]);
        let events = retake.run([Path::new("events"), &retake.path(name)]).good().output();
        preempted += events.lines().filter(|line| line.contains(" preempted ")).count();
    }
    assert!(preempted > 0, "no change of tasks in the middle of code");
}

/// Natively it loses something once in hundreds of runs.
#[test]
fn chaos_shows_a_race() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/race.c", &["-O2"]);
    let shown = (1..=90).find(|seed| {
        let (dir, recorded) = retake.record(
            &format!("seed-{seed}"),
            &["--chaos", "--seed", &seed.to_string()],
            &[&program],
        );
        let lost = recorded.code() == 1;
        if lost {
            let replayed = retake.run([Path::new("replay"), &dir]);
            assert_eq!((replayed.code(), replayed.stdout), (1, recorded.stdout));
            retake.run([Path::new("verify"), &dir]).good();
        }
        lost
    });
    assert!(shown.is_some(), "the race never shows");
}

/// A task is never left in the middle of an instruction.
#[test]
fn threads_in_long_string_instructions() {
    check_placed("c/strings.c", &["-O2"], &[], 1);
}

/// The handler's breakpoint is hit at the same moments each time.
#[test]
fn handlers_are_hit_where_they_were() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/alarm_loop.c", &["-O1"]);
    let (dir, _) = retake.record("recording", OFTEN, &[program]);
    let line = fixture::line_of("c/alarm_loop.c", "handler");
    let script = format!(
        "break alarm_loop.c:{line}\nhits\ngoto hit 3\nstack\nregs\ngoto end\ngoto hit 3\nregs"
    );
    let run = || retake.debug(&dir, &["--json"], &script).good().output();
    let first = run();
    let lines: Vec<&str> = first.lines().collect();
    let registers = |n: usize| lines.get(n).and_then(|line| line.split("\"data\"").nth(1));
    assert!(lines[1].matches("\"position\"").count() > 3, "{}", lines[1]);
    assert!(lines[3].contains("on_alarm") && lines[3].contains("main"), "{}", lines[3]);
    assert_eq!(registers(4), registers(7), "the same moment, twice");
    assert_eq!(first, run());
}
