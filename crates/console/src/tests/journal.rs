use std::fs;

use retake_debugger::Session;
use tempfile::TempDir;

use super::{check_with, console, recording, text};

const COMMANDS: [&str; 14] = [
    "b work",
    "c",
    "b *0x1010",
    "hits 1",
    "jump",
    "goto hit 3",
    "thread 1",
    "assert 0",
    "clear 1",
    "tbreak app.c:10 thread 2 if $rax == 0",
    "catch output b",
    "cond -per-thread-hitcount 3 % 2",
    "cond -clear 3",
    "rewind",
];

/// Runs commands in a new session; gives its journal and its chain.
fn run(commands: &[&str]) -> (String, String) {
    let folder = TempDir::new().unwrap();
    let mut console = console(recording().build());
    console.debugger_mut().attach(Session::create(folder.path()).unwrap());
    fs::write(folder.path().join("script"), "goto 1\nassert 0\n").unwrap();
    let dir = folder.path().to_str().unwrap();
    for command in commands {
        text(&mut console, &command.replace("DIR", dir));
    }
    drop(console);
    let journal = fs::read_to_string(folder.path().join("sessions/1/journal")).unwrap();
    (journal, Session::resume(folder.path()).unwrap().0.chain().to_owned())
}

#[test]
fn a_debugger_comes_back_after_any_command() {
    for done in 0..=COMMANDS.len() {
        let folder = TempDir::new().unwrap();
        let mut first = console(recording().build());
        first.debugger_mut().attach(Session::create(folder.path()).unwrap());
        for command in &COMMANDS[..done] {
            text(&mut first, command);
        }
        let state = first.debugger().state();
        drop(first);

        let (session, resumed) = Session::resume(folder.path()).unwrap();
        let mut second = console(recording().build());
        if let Some(state) = &resumed.state {
            second.debugger_mut().restore(state).unwrap();
        }
        second.debugger_mut().attach(session);
        assert_eq!(second.debugger().state(), state, "after {done}");
        assert_eq!(second.debugger().execution().position(), state.position);
        assert!(resumed.interrupted.is_empty());
    }
}

#[test]
fn a_list_of_hits_can_be_used_after_a_resume() {
    let mut first = console(recording().build());
    for command in ["b work", "b *0x1010", "hits 1"] {
        text(&mut first, command);
    }
    let mut second = console(recording().build());
    second.debugger_mut().restore(&first.debugger().state()).unwrap();
    check_with(
        &mut second,
        "
> goto hit 2
0@0x1020#2  thread 1  0x1020 in work at app.c:10  (reached)
",
    );
}

#[test]
fn the_journal_holds_requests_and_their_lines() {
    let (journal, _) = run(&["source DIR/script", "jump", "help", "regs rxx", "x -size 4 $rsp"]);
    let part = |line: &str, from: &str| {
        line.split(from).nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let kinds: Vec<String> = journal.lines().map(|line| part(line, "\"kind\":\"")).collect();
    // Only what the debugger is asked is journalled, whether it fails or not.
    assert_eq!(kinds, ["open", "begin", "end", "begin", "end", "begin", "end"]);
    let begun = journal.lines().filter(|line| line.contains("\"begin\""));
    let lines: Vec<String> = begun.map(|line| part(line, "\"command\":\"")).collect();
    assert_eq!(lines, ["goto 1", "assert 0", "x -size 4 $rsp"]);
    assert!(journal.contains(r#""request":{"memory":{"addr":"$rsp","len":4}}"#), "{journal}");
}

#[test]
fn the_chain_depends_on_every_request_and_answer() {
    let chain = |commands: &[&str]| run(commands).1;
    assert_eq!(chain(&["b work", "c"]), chain(&["b work", "c"]));
    assert_eq!(chain(&["b work", "c"]), chain(&["break work", "continue"]), "the same requests");
    assert_ne!(chain(&["b work", "c"]), chain(&["b work", "goto 0@0x1020#1"]));
    assert_ne!(chain(&["when"]), chain(&["regs"]));
}
