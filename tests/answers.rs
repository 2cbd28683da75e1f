//! What a program is told is what it would be told by itself: new tasks, locks, clocks of the vdso,
//! policies, counters, calls that it handles itself, segments of its own. Recorded as natively, replayed and
//! verified.
//!
//! `RETAKE_ROUNDS=20` repeats each of them.

use retake_testkit::{OFTEN, Retake, check_as_native, fixture};

#[track_caller]
fn check(name: &str) -> String {
    check_as_native(env!("CARGO_BIN_EXE_retake"), name)
}

#[test]
fn clone3() {
    let output = check("c/kernel/clone3.c");
    assert!(output.contains("pidfd 1, status 5, same 1"), "{output}");
    assert!(output.contains("waited for: told 1, status 3"), "{output}");
}

#[test]
fn locks_that_inherit_priorities() {
    let output = check("c/kernel/inherited_locks.c");
    assert!(output.contains("threads 1200") && output.contains("processes 300"), "{output}");
}

#[test]
fn functions_of_the_vdso() {
    let output = check("c/kernel/vdso.c");
    assert!(output.starts_with("ELF\n"), "{output}");
}

#[test]
fn policies_counters_and_growth() {
    let output = check("c/kernel/answers.c");
    assert!(output.contains("own policy 0\n"), "{output}");
    assert!(output.contains("counter 2: 11 11, code 128"), "{output}");
}

#[test]
fn calls_that_the_program_handles() {
    let output = check("c/kernel/user_dispatch.c");
    assert!(output.contains("r=1110 hits=1 code 2"), "{output}");
}

/// Of the processor, where it has them: in replay the same come again, also at a checkpoint and translated.
#[test]
fn random_numbers() {
    let output = check("c/kernel/random_numbers.c");
    assert!(output.contains("child: good 1, halves 1, rest stays 1, constant f0c70f"), "{output}");
    assert!(output.contains("of 1000: 1"), "{output}");
}

/// Those of a library.
#[test]
fn random_numbers_of_a_library() {
    let program = fixture::cpp("cpp/random_device.cpp");
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let ended = retake.round_trip("recording", OFTEN, &[&program]);
    assert_eq!((ended.code(), ended.output().as_str()), (0, "last 51\n"), "{}", ended.errors());
}

/// They are there after each checkpoint, and when a debugger comes back to one.
#[test]
fn segments_of_the_program() {
    let output = check("c/kernel/segments.c");
    assert!(output.contains("set 0: 77") && output.contains("cleared 0: -11"), "{output}");
    let program = fixture::c("c/kernel/segments.c", &[]);
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let (dir, recorded) = retake.record("recording", OFTEN, &[&program]);
    assert_eq!(recorded.code(), 0, "{}", recorded.errors());
    let script =
        "break clear\ncontinue\ngoto checkpoint 2\ncontinue\nassert $hits(1) == 2\nrewind\n";
    retake.debug(&dir, &[], script).good();
}
