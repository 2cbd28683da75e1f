use std::fs;

use retake_execution::Execution;
use tempfile::TempDir;

use super::{check_with, debugger, recording, text};
use crate::Session;

const COMMANDS: [&str; 9] =
    ["b work", "c", "b *0x1010", "hits 1", "jump", "goto hit 3", "thread 1", "assert 0", "clear 1"];

#[test]
fn a_debugger_comes_back_after_any_command_and_in_the_middle_of_one() {
    for done in 0..=COMMANDS.len() {
        let folder = TempDir::new().unwrap();
        let mut first = debugger(recording().build());
        let session = Session::create(folder.path()).unwrap();
        first.attach(session);
        for command in &COMMANDS[..done] {
            text(&mut first, command);
        }
        let state = first.state();
        drop(first);

        let (session, resumed) = Session::resume(folder.path()).unwrap();
        let mut second = debugger(recording().build());
        if let Some(state) = &resumed.state {
            second.restore(state).unwrap();
        }
        second.attach(session);
        assert_eq!(second.state(), state, "after {done}");
        assert_eq!(second.execution().position().to_string(), state.position);
        assert!(resumed.interrupted.is_empty());
    }
}

#[test]
fn a_list_of_hits_can_be_used_after_a_resume() {
    let mut first = debugger(recording().build());
    for command in ["b work", "b *0x1010", "hits 1"] {
        text(&mut first, command);
    }
    let mut second = debugger(recording().build());
    second.restore(&first.state()).unwrap();
    check_with(
        &mut second,
        "
> goto hit 2
0@0x1020#2  thread 1  0x1020 in work at app.c:10  (breakpoint 1)
"
        .replace("breakpoint 1", "reached")
        .as_str(),
    );
}

#[test]
fn the_journal_holds_a_command_before_it_runs() {
    let folder = TempDir::new().unwrap();
    let mut debugger = debugger(recording().build());
    debugger.attach(Session::create(folder.path()).unwrap());
    let script = folder.path().join("script");
    fs::write(&script, "goto 1\nassert 0\n").unwrap();
    text(&mut debugger, &format!("source {}", script.display()));
    text(&mut debugger, "jump");
    let journal = fs::read_to_string(folder.path().join("sessions/1/journal")).unwrap();
    let kinds: Vec<&str> = journal
        .lines()
        .map(|line| line.split("\"kind\":\"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    // A command that does not exist does not run; one that fails does.
    assert_eq!(kinds, ["open", "begin", "begin", "end", "begin", "end", "end"]);
}

#[test]
fn the_chain_depends_on_every_output() {
    let run = |commands: &[&str]| {
        let folder = TempDir::new().unwrap();
        let mut debugger = debugger(recording().build());
        debugger.attach(Session::create(folder.path()).unwrap());
        commands.iter().for_each(|command| drop(text(&mut debugger, command)));
        drop(debugger);
        Session::resume(folder.path()).unwrap().0.chain().to_owned()
    };
    assert_eq!(run(&["b work", "c"]), run(&["b work", "c"]));
    assert_ne!(run(&["b work", "c"]), run(&["b work", "continue"]));
    assert_ne!(run(&["when"]), run(&["regs"]));
}
