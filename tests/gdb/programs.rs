//! One process of several, and processes that execute another program.

use retake_testkit::{fixture, require};

use super::{debug, part, recorded, retake};

#[test]
fn a_process_is_followed_into_other_programs() {
    if require("a_process_is_followed_into_other_programs", "gdb").is_none() {
        return;
    }
    let retake = retake();
    let program = fixture::c("c/exec_chain.c", &["-O0"]);
    let dir = recorded(&retake, "chain", &program);
    let line = fixture::line_of("c/exec_chain.c", "exec");
    // Each is somewhere else in memory.
    let script = format!(
        "break exec_chain.c:{line}\necho <hits>\\n\ncontinue\np left\ncontinue\np left\ncontinue\np left\nbt\n\
         echo <back>\\n\nreverse-stepi\nreverse-next\np left\necho <end>\\n\ncontinue\n"
    );
    let output = debug(&retake, &dir, &script);
    let hits = part(&output, "hits");
    assert_eq!(hits.matches("is executing new program").count(), 2, "{output}");
    for value in ["$1 = 3\n", "$2 = 2\n", "$3 = 1\n"] {
        assert!(hits.contains(value), "{value}: {output}");
    }
    assert!(hits.contains("main (argc=2"), "{output}");
    assert!(part(&output, "back").contains("= 1"), "{output}");

    // A program that has nothing to do with the one before.
    let program = fixture::c("c/calls.c", &["-O0"]);
    let script = format!("exec {}", program.display());
    let (dir, _) = retake.record("shell", &[], &["/bin/sh", "-c", &script]);
    let output = debug(
        &retake,
        &dir,
        "set breakpoint pending on\nbreak calls.c:work\necho <there>\\n\ncontinue\nbt\ninfo sharedlibrary\n\
         echo <begin>\\n\ndelete\nreverse-continue\necho <end>\\n\n",
    );
    let there = part(&output, "there");
    assert!(there.contains("is executing new program") && there.contains("#1  0x"), "{output}");
    assert!(
        there.contains("work") && there.contains("main") && there.contains("libc.so.6"),
        "{output}"
    );
    assert!(part(&output, "begin").contains("No more reverse-execution history"), "{output}");
}
