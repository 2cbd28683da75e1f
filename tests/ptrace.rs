//! Programs that use ptrace(2): who looks at others, LeakSanitizer, which does so at the end of each sanitized
//! program, tracers that do all there is to be done, debuggers and strace.
//!
//! `RETAKE_ROUNDS=20` repeats them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use retake_testkit::{OFTEN, Retake, fixture, require, rounds};

const CHAOS: &[&str] = &["--chaos"];

/// Records, replays and verifies a program in three ways, which prints what it prints natively. Gives what it has
/// written to standard error the last time.
#[track_caller]
fn as_natively(program: &Path) -> String {
    command_as_natively(&[program.as_os_str()], str::to_owned)
}

/// The same for a program with arguments, whose output is compared after `words` has taken out of it what differs from
/// run to run.
#[track_caller]
fn command_as_natively(command: &[&OsStr], words: fn(&str) -> String) -> String {
    let (program, arguments) = command.split_first().expect("there is a program");
    let native = Command::new(program).args(arguments).output().expect("it runs");
    let expected = words(&String::from_utf8_lossy(&native.stdout));
    let mut errors = String::new();
    for _ in 0..rounds() {
        for options in [&[], OFTEN, CHAOS] {
            let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
            let ended = retake.round_trip("recording", options, command);
            assert_eq!(words(&ended.output()), expected, "{options:?}");
            assert_eq!(Some(ended.code()), native.status.code(), "{options:?}");
            errors = ended.errors().to_string();
        }
    }
    errors
}

#[test]
fn a_process_looks_at_others() {
    as_natively(&fixture::c("c/looked_at.c", &[]));
}

#[test]
fn leaks_are_found_beside_threads() {
    let errors = as_natively(&fixture::c("c/leaks.c", &["-O0", "-fsanitize=address"]));
    assert!(errors.contains("Direct leak of 100 byte(s) in 1 object(s)"), "{errors}");
    assert!(errors.contains("100 byte(s) leaked in 1 allocation(s)"), "{errors}");
}

#[test]
fn leaks_are_found_in_containers() {
    let errors = as_natively(&fixture::cpp_with("cpp/leaks.cpp", &["-O0", "-fsanitize=leak"]));
    assert!(errors.contains("Direct leak of 24 byte(s) in 1 object(s)"), "{errors}");
    assert!(errors.contains("243 byte(s) leaked in 5 allocation(s)"), "{errors}");
}

#[test]
fn a_tracer_decides_about_signals() {
    as_natively(&fixture::c("c/tracers/signals.c", &[]));
}

#[test]
fn a_tracer_has_breakpoints_and_steps() {
    as_natively(&fixture::c("c/tracers/steps.c", &[]));
}

#[test]
fn a_tracer_sees_and_changes_calls() {
    as_natively(&fixture::c("c/tracers/calls.c", &[]));
}

#[test]
fn a_tracer_is_asked_by_a_filter() {
    as_natively(&fixture::c("c/tracers/filters.c", &[]));
}

#[test]
fn a_tracer_is_told_of_tasks() {
    as_natively(&fixture::c("c/tracers/tasks.c", &[]));
}

#[test]
fn a_tracer_listens_to_group_stops() {
    as_natively(&fixture::c("c/tracers/seized.c", &[]));
}

#[test]
fn a_tracer_attaches_to_what_waits() {
    as_natively(&fixture::c("c/tracers/attached.c", &[]));
}

#[test]
fn a_tracer_has_watchpoints() {
    as_natively(&fixture::c("c/tracers/watches.c", &[]));
}

/// Without numbers, and without what gdb says of the machine that it runs on.
fn of_gdb(output: &str) -> String {
    let says_nothing = |line: &&str| !line.starts_with("warning:");
    let lines = output
        .lines()
        .filter(says_nothing)
        .map(|line| line.replace(|c: char| c.is_ascii_digit(), ""));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn gdb_debugs_in_a_recording() {
    let test = "gdb_debugs_in_a_recording";
    let Some(gdb) = require(test, "gdb") else { return };
    let program = fixture::c("c/tracers/debugged.c", &["-g", "-O0"]);
    let commands = [
        "break twice",
        "run",
        "bt",
        "info locals",
        "next",
        "finish",
        "watch changed",
        "continue",
        "delete",
        "continue",
    ];
    let mut command = vec![gdb.as_os_str(), OsStr::new("-nx"), OsStr::new("-batch")];
    command.extend(commands.iter().flat_map(|command| [OsStr::new("-ex"), OsStr::new(*command)]));
    command.push(program.as_os_str());
    command_as_natively(&command, of_gdb);
}

/// The calls that tasks make, sorted: how these take turns differs from run to run, and so does whether one SIGCHLD
/// tells of both children.
fn of_strace(output: &str) -> String {
    const CALLS: [&str; 3] = ["execve", "write", "exit_group"];
    let call = |line: &str| {
        let line = line.rsplit_once("[pid ").map_or(line, |(_, rest)| rest);
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ' || c == ']');
        let name = rest.split('(').next().unwrap_or_default();
        CALLS.contains(&name).then(|| name.to_owned())
    };
    let mut calls: Vec<_> = output.lines().filter_map(call).collect();
    calls.sort();
    calls.join("\n")
}

#[test]
fn strace_follows_a_pipeline_in_a_recording() {
    let test = "strace_follows_a_pipeline_in_a_recording";
    if require(test, "strace").is_none() {
        return;
    }
    // With a filter in the traced programs it is asked about these calls only.
    for option in ["", "--seccomp-bpf"] {
        // What it tells goes where it is compared.
        let calls = "execve,write,exit_group";
        let line =
            format!("strace -f {option} -e trace={calls} sh -c 'echo a | cat >/dev/null' 2>&1");
        command_as_natively(&["sh", "-c", &line].map(OsStr::new), of_strace);
    }
}
