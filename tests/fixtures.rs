//! Small programs, each for a few things that differ from run to run: recorded, replayed and verified.
//!
//! Every fixture prints values that depend on time, chance, addresses or scheduling, so that a replay
//! that merely ran it again would not match. Checkpoints come often, so that restored state is
//! compared too. `RETAKE_ROUNDS=20` repeats most of them.

use std::path::Path;

use retake_testkit::{OFTEN, Retake, fixture, rounds};

fn retake() -> Retake {
    Retake::new(env!("CARGO_BIN_EXE_retake"))
}

/// Records twice; the two runs must differ, or the fixture proves nothing.
#[track_caller]
fn check(program: &Path, code: Option<i32>) {
    for _ in 0..rounds().div_ceil(2) {
        let retake = retake();
        let first = retake.round_trip("first", OFTEN, &[program]);
        let second = retake.round_trip("second", OFTEN, &[program]);
        assert_ne!(first.stdout, second.stdout, "two runs are equal");
        if let Some(code) = code {
            assert_eq!(first.code(), code, "{}", first.errors());
        }
    }
}

#[test]
fn threads() {
    check(&fixture::c("c/threads.c", &[]), None);
}

#[test]
fn processes() {
    check(&fixture::c("c/fork_tree.c", &[]), None);
}

#[test]
fn signals() {
    check(&fixture::c("c/signals.c", &[]), None);
}

#[test]
fn vector_registers_across_signals() {
    check(&fixture::c("c/vectors.c", &[]), Some(0));
}

#[test]
fn faults() {
    check(&fixture::c("c/segv.c", &[]), Some(128 + 11));
}

#[test]
fn entropy() {
    check(&fixture::c("c/entropy.c", &[]), None);
}

#[test]
fn mappings() {
    check(&fixture::c("c/mappings.c", &[]), None);
}

#[test]
fn executing_again() {
    check(&fixture::c("c/exec_chain.c", &[]), Some(5));
}

#[test]
fn waiting_for_descriptors() {
    check(&fixture::c("c/sockets.c", &[]), Some(0));
}

#[test]
fn readers_woken_before_they_return() {
    check(&fixture::c("c/woken_readers.c", &[]), Some(0));
}

#[test]
fn ways_of_linking() {
    for flags in [&["-static"][..], &["-static-pie"], &["-no-pie"], &["-pie", "-fPIE"]] {
        check(&fixture::c("c/hello.c", flags), Some(42));
    }
}

#[test]
fn cpp_exceptions() {
    check(&fixture::cpp("cpp/exceptions.cpp"), None);
}

#[test]
fn rust_panics_by_unwinding() {
    check(&fixture::rust("rust/threads_panic.rs", &[]), Some(101));
}

#[test]
fn rust_panics_by_abort() {
    check(&fixture::rust("rust/abort.rs", &["-C", "panic=abort"]), Some(128 + 6));
}

#[test]
fn goroutines() {
    if let Some(program) = fixture::go("goroutines", "go/goroutines.go") {
        check(&program, None);
    }
}

#[test]
fn a_process_that_ends_while_its_threads_run() {
    let program = fixture::c("c/exit_while_running.c", &[]);
    let ended = retake().round_trip("recording", OFTEN, &[&program]);
    assert_eq!(ended.code(), 3, "{}", ended.errors());
}

#[test]
fn executing_what_was_written_through_a_mapping() {
    check(&fixture::c("c/executed_output.c", &[]), Some(0));
}

/// Its image is not where its path leads.
#[test]
fn a_program_that_was_deleted_while_it_started() {
    for unprivileged in [false, true] {
        let retake = if unprivileged {
            Retake::unprivileged(env!("CARGO_BIN_EXE_retake"))
        } else {
            retake()
        };
        let program = retake.path("program");
        std::fs::copy(fixture::c("c/deleted_program.c", &[]), &program).expect("a copy");
        let ended = retake.round_trip("recording", OFTEN, &[&program]);
        assert_eq!(ended.code(), 0, "{}", ended.errors());
        assert!(!program.exists());
    }
}

#[test]
fn memory_shared_by_children() {
    check(&fixture::c("c/shared_by_children.c", &[]), Some(0));
}

/// Without privilege nobody can open the memory.
#[test]
fn memory_shared_by_children_without_privilege() {
    let retake = Retake::unprivileged(env!("CARGO_BIN_EXE_retake"));
    let program = fixture::c("c/shared_by_children.c", &[]);
    let ended = retake.round_trip("recording", OFTEN, &[&program]);
    assert_eq!(ended.code(), 0, "{}", ended.errors());
}

#[test]
fn children_by_vfork_beside_others() {
    check(&fixture::c("c/vforks.c", &[]), Some(0));
}

/// Natively, and so while it is recorded, the stack ends exactly at its limit.
#[test]
fn recursion_until_the_stack_is_full() {
    check(&fixture::c("c/full_stack.c", &[]), Some(0));
}
