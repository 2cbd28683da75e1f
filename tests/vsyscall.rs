//! Calls of the vsyscall page, whichever way the kernel has it (`vsyscall=xonly`, `emulate`).

use retake_testkit::{OFTEN, Retake, fixture, rounds, skip};

#[test]
fn calls_of_the_vsyscall_page() {
    let program = fixture::c("c/vsyscall.c", &[]);
    for _ in 0..rounds() {
        let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
        let ended = retake.round_trip("recording", OFTEN, &[&program]);
        if ended.code() == 77 {
            skip("calls_of_the_vsyscall_page", "the kernel has no such page");
            return;
        }
        assert_eq!(ended.code(), 0, "{}", ended.errors());
        assert!(ended.output().starts_with("1 1 1\n"), "{}", ended.output());
        // Breakpoints around such calls, in both directions.
        let dir = retake.path("recording");
        let script = "break tick\nbreak ask\ncontinue\ncontinue\ncontinue\nrewind\nrewind\n\
                      break keeps_registers\ncontinue\ncontinue\n";
        let output = retake.debug(&dir, &["--json"], script).good().output();
        assert_eq!(output.matches("\"kind\":\"stop\"").count(), 7, "{output}");
        assert_eq!(output.matches("\"reasons\":[\"breakpoint\"]").count(), 7, "{output}");
    }
}
