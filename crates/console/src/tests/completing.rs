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

#[test]
fn sources_variables_and_registers_are_offered() {
    check("break ap", 6, &["app.c:"]);
    check("break l", 6, &[]);
    check("print $ri", 6, &["$rip"]);
    check("print -fra", 6, &["-frame"]);
    check("print rax+*($r1", 12, &["$r15", "$r14", "$r13", "$r12", "$r11", "$r10"]);
    check("break work if $ra", 14, &["$rax"]);
    check("condition -cl", 10, &["-clear"]);
    check("condition 1 $ra", 12, &["$rax"]);
    check("watch -r", 6, &["-rw"]);
    check("thread 2 print $rs", 15, &["$rsi", "$rsp"]);
    check("on 1 regs r9", 10, &["r9"]);
}

#[test]
fn commands_with_another_name_are_completed() {
    let mut console = console(recording().build());
    console.execute("config alias break stopat").unwrap();
    let words = |text: &str| match console.complete(text) {
        Completion::Words { words, .. } => words,
        Completion::File => Vec::new(),
    };
    assert_eq!(words("stopa"), ["stopat"]);
    assert_eq!(words("stopat wo"), ["work"]);
}
