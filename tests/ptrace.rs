//! Programs that use ptrace(2): who looks at others, and LeakSanitizer, which does so at the end of each sanitized
//! program.
//!
//! `RETAKE_ROUNDS=20` repeats them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use retake_testkit::{OFTEN, Retake, fixture, rounds};

const CHAOS: &[&str] = &["--chaos"];

/// Records, replays and verifies a program in three ways, which prints what it prints natively. Gives what it has
/// written to standard error the last time.
#[track_caller]
fn as_natively(program: &Path) -> String {
    let native = Command::new(program).output().expect("it runs");
    let mut errors = String::new();
    for _ in 0..rounds() {
        for options in [&[], OFTEN, CHAOS] {
            let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
            let ended = retake.round_trip("recording", options, &[program]);
            assert_eq!(ended.output(), String::from_utf8_lossy(&native.stdout), "{options:?}");
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
