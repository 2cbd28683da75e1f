//! Memory: every way in which it changes, recorded, replayed and verified with checkpoints every 20 ms.
//!
//! `RETAKE_ROUNDS=20` repeats each of them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use retake_testkit::{OFTEN, Retake, fixture, require, rounds};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Records a fixture, twice at least: two runs must differ, or it proves nothing. Gives what the last
/// one printed.
#[track_caller]
fn check(name: &str, flags: &[&str], args: &[&str]) -> String {
    let program = fixture::c(name, flags).to_string_lossy().into_owned();
    let command = [&[program.as_str()][..], args].concat();
    let run = || {
        let ended = retake().round_trip("recording", OFTEN, &command);
        assert_eq!(ended.code(), 0, "{}\n{}", ended.output(), ended.errors());
        ended.output()
    };
    let first = run();
    let mut last = run();
    assert_ne!(first, last, "two runs are equal");
    for _ in 1..rounds() {
        last = run();
    }
    last
}

#[track_caller]
fn assert_says(output: &str, lines: &[&str]) {
    for line in lines {
        assert!(output.lines().any(|found| found == *line), "no line {line:?} in\n{output}");
    }
}

#[test]
fn files_that_are_mapped_and_written_through_descriptors() {
    let output = check("c/memory/shared_files.c", &[], &[]);
    assert_says(
        &output,
        &["shared beyond the end: signal 7", "private beyond the end, written before: signal 7"],
    );
    assert_says(&output, &["in the last page: 0", "truncated by path: signal 7"]);
}

#[test]
fn memory_files_that_are_mapped_and_written_through_descriptors() {
    let output = check("c/memory/shared_files.c", &[], &["memfd"]);
    assert_says(&output, &["shared beyond the end: signal 7", "truncated: signal 7"]);
}

#[test]
fn private_mappings_of_files_that_change() {
    let output = check("c/memory/private_files.c", &[], &[]);
    assert_says(&output, &["truncated: signal 7", "truncated, written before: signal 7"]);
    assert_says(&output, &["still there: 1", "truncated by path: signal 7"]);
    assert_says(&output, &["beyond: signal 7", "empty: signal 7", "empty and shared: signal 7"]);
}

#[test]
fn calls_that_shape_an_address_space() {
    let output = check("c/memory/ranges.c", &[], &[]);
    assert_says(&output, &["cut off: signal 11", "moved away: signal 11", "two mappings 1"]);
    assert_says(&output, &["shared, beyond its end: signal 7", "absent: signal 11"]);
    assert_says(&output, &["changed before the hole: signal 11", "not behind it: written"]);
    assert_says(&output, &["read-only segment: signal 11", "noreplace 1", "segment 1"]);
    assert!(output.contains("\nover 1 "), "{output}");
}

/// Write-tracking and restored memory must not take apart what is one mapping in the program.
#[test]
fn neighbours_that_are_grown_and_moved_as_one() {
    let name = "c/memory/moved_seam.c";
    check(name, &[], &[]);
    let program = fixture::c(name, &[]);
    for _ in 0..rounds() {
        let retake = retake();
        let (dir, recorded) = retake.record("recording", OFTEN, &[&program]);
        assert_eq!(recorded.code(), 0, "{}", recorded.errors());
        // The second mapping is made after a checkpoint with the first: on from there.
        for checkpoint in ["0", "1"] {
            let script = format!(
                "goto checkpoint {checkpoint}\nbreak write\ncontinue\nassert $hits(1) == 1\n"
            );
            retake.debug(&dir, &[], &script).good();
        }
    }
}

#[test]
fn pages_that_come_and_go() {
    let output = check("c/memory/comes_and_goes.c", &[], &[]);
    assert!(output.contains("\n8 !hhh!iii ") && output.contains("\n47 !0tu!v!v "), "{output}");
}

/// Bound at once: what the dynamic linker saves on the stack when it binds later is the processor's.
#[test]
fn memory_that_grows_downwards() {
    let output = check("c/memory/stacks.c", &["-Wl,-z,now"], &[]);
    for start in ["the end of the stack 0x", "the end of the larger stack 0x", "the gap 0x"] {
        assert!(output.lines().any(|line| line.starts_with(start)), "{start}:\n{output}");
    }
    assert!(!output.contains("does not grow") && !output.contains("too far\n"), "{output}");
}

#[test]
fn memory_that_others_write() {
    let output = check("c/memory/others.c", &[], &[]);
    assert!(output.contains("to the child 16") && output.contains("to the parent 8"), "{output}");
}

/// Without privilege its bytes are copied from the program; checkpoints must have them all.
#[test]
fn a_file_that_nobody_may_open() {
    check("c/memory/unreadable.c", &[], &[]);
    for _ in 0..rounds() {
        let retake = Retake::unprivileged(env!("CARGO_BIN_EXE_retake"));
        let program = fixture::c("c/memory/unreadable.c", &[]);
        let ended = retake.round_trip("recording", OFTEN, &[program]);
        assert_eq!(ended.code(), 0, "{}", ended.errors());
    }
}

#[test]
fn sparse_memory_generated_code_and_large_arguments() {
    let output = check("c/memory/odd.c", &[], &[]);
    assert_says(&output, &["status 700", "unbuffered 32768 bytes"]);
}

/// A recording is as large as what was touched: here 400 pages of 8 GiB, and the program.
#[test]
fn sparse_memory_costs_what_is_touched() {
    let retake = retake();
    let program = fixture::c("c/memory/odd.c", &[]);
    let (dir, recorded) = retake.record("recording", OFTEN, &[program]);
    assert_eq!(recorded.code(), 0, "{}", recorded.errors());
    let listed = retake.run(["checkpoints".as_ref(), dir.as_os_str()]).good().output();
    // How many there are depends on the machine; each of them would hold gigabytes.
    assert!(listed.lines().count() > 1, "no checkpoint: {listed}");
    let mut bytes = 0;
    for entry in fs::read_dir(&dir).expect("the recording").flatten() {
        bytes += entry.metadata().expect("a file").blocks() * 512;
    }
    assert!(bytes < 16 << 20, "{bytes} bytes");
}

/// The kernel's mappings are ours after each call, and it writes nothing else.
#[test]
fn the_audit_finds_nothing() {
    for (name, flags) in [
        ("c/memory/ranges.c", &[][..]),
        ("c/memory/shared_files.c", &[]),
        ("c/memory/private_files.c", &[]),
        ("c/memory/others.c", &[]),
        ("c/memory/stacks.c", &["-Wl,-z,now"]),
    ] {
        let program = fixture::c(name, flags);
        let (_, recorded) = retake().record("recording", &["--audit"], &[program]);
        assert_eq!(recorded.code(), 0, "{name}: {}", recorded.errors());
    }
}

#[test]
fn code_made_by_luajit() {
    if require("code_made_by_luajit", "luajit").is_some() {
        let source = fixture::source("lua/mix.lua");
        retake().round_trip("recording", OFTEN, &[Path::new("luajit"), &source]);
    }
}
