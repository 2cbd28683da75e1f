//! `record --audit`: the kernel writes nothing but what the table of system calls says.
//!
//! `many_calls.c` makes every call that can be made without harm; the other fixtures make the rest.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;

use retake_testkit::{Guarded, Retake, fixture, require};

#[track_caller]
fn audit<S: AsRef<std::ffi::OsStr>>(program: &[S]) {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, recorded) = retake.record("recording", &["--audit"], program);
    let errors = recorded.errors();
    assert!(!errors.contains("the audit found") && recorded.code() != 125, "{errors}");
    let replayed = retake.replay(&dir);
    assert_eq!(replayed.output(), recorded.output(), "{}", replayed.errors());
    retake.verify(&dir).good();
}

#[track_caller]
fn audit_c(names: &[&str]) {
    for name in names {
        audit(&[fixture::c(name, &[])]);
    }
}

#[test]
fn every_call_that_can_be_made() {
    audit_c(&["c/many_calls.c"]);
}

#[test]
fn one_task() {
    audit_c(&["c/calls.c", "c/entropy.c", "c/mappings.c", "c/segv.c", "c/signals.c"]);
    audit_c(&["c/vectors.c", "c/hello.c"]);
}

#[test]
fn several_tasks() {
    audit_c(&["c/fork_tree.c", "c/threads.c", "c/sockets.c", "c/woken_readers.c"]);
    audit_c(&["c/exec_chain.c", "c/exit_while_running.c"]);
}

#[test]
fn other_languages() {
    audit(&[fixture::cpp("cpp/exceptions.cpp")]);
    audit(&[fixture::rust("rust/threads_panic.rs", &[])]);
    if let Some(program) = fixture::go("other_languages", "go/goroutines.go") {
        audit(&[program]);
    }
}

#[test]
fn commands() {
    for command in [&["ls", "-la", "/"][..], &["sort", "/etc/passwd"], &["df"], &["id"]] {
        audit(command);
    }
    if require("commands", "perl").is_some() {
        audit(&[Path::new("perl"), &fixture::source("perl/mix.pl")]);
    }
}

/// An audit that cannot fail proves nothing: here somebody else writes while a call is made.
#[test]
fn what_the_table_does_not_say_is_found() {
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/written_from_outside.c", &[]);
    let dir = retake.path("recording");
    let mut command = retake.command(["record", "-q", "--audit", "-o"]);
    command.arg(&dir).arg(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut recorder = Guarded(command.spawn().expect("it starts"));
    let mut output = BufReader::new(recorder.0.stdout.take().expect("piped"));
    let mut pid = String::new();
    output.read_line(&mut pid).expect("its number");
    // Not stopped for the recorder any more, but asleep in the kernel: memory was copied by then.
    let asleep = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).expect("it lives");
        stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" S"))
    };
    while !asleep() {
        std::thread::yield_now();
    }
    let shared = fs::File::options().write(true).open(retake.path("shared")).expect("it is there");
    shared.write_all_at(b"7", 0).expect("written");
    drop(recorder.0.stdin.take());
    let mut errors = String::new();
    recorder.0.stderr.take().expect("piped").read_to_string(&mut errors).expect("read");
    let status = recorder.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(125), "{errors}");
    assert!(errors.contains("the audit found 1 wrong call"), "{errors}");
    assert!(errors.contains("read("), "{errors}");
    let manifest = fs::read_to_string(dir.join("recording.json")).expect("a manifest");
    assert!(manifest.contains("audit: read("), "{manifest}");
}
