use super::{console, recording};
use crate::Completion;

#[track_caller]
fn check(before: &str, start: usize, wanted: &[&str]) {
    let mut console = console(recording().build());
    console.execute("bookmark early").unwrap();
    let words = wanted.iter().map(|&word| word.to_owned()).collect();
    assert_eq!(console.complete(before), Completion::Words { start, words }, "{before:?}");
}

#[test]
fn commands_and_their_words_come_from_the_table() {
    check("br", 0, &["break", "breakpoints"]);
    check("  rew", 2, &["rewind"]);
    check("help che", 5, &["checkpoints"]);
    check("h che", 2, &["checkpoints"]);
    check("goto ev", 5, &["event"]);
    check("goto hit e", 9, &[]);
    check("nothing ", 8, &[]);
    check("thread 2 sta", 9, &["stack"]);
    check("on 1 sta", 5, &["stack"]);
}

#[test]
fn names_come_from_the_debugger() {
    check("break wo", 6, &["work"]);
    check("list ma", 5, &["main"]);
    check("break work i", 11, &[]);
    check("goto ea", 5, &["early"]);
    check("regs r1", 5, &["r15", "r14", "r13", "r12", "r11", "r10"]);
    check("regs rax rb", 9, &["rbp", "rbx"]);
    let console = console(recording().build());
    assert_eq!(console.complete("source /t"), Completion::File);
}
