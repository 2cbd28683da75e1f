//! What a session brings back, and doing all of it again.

use std::fs;
use std::path::Path;

use retake_debugger::Session;
use retake_debugger::session::strict::{self, StrictError};
use tempfile::TempDir;

use super::{console, recording, text};
use crate::Console;

const LINES: [&str; 13] = [
    "b work",
    "on 1 regs rip",
    "c",
    "display $rsp",
    "bookmark early",
    "config substitute-path /old /new",
    "config source-list-line-count 1",
    "config calls-run all",
    "config alias break stopat",
    "config max-string-len 200",
    "c",
    "frame 1",
    "assert 0",
];

/// Does all of it in a session of a folder.
fn done_in(folder: &Path) -> Console {
    let mut console = console(recording().build());
    console.debugger_mut().attach(Session::create(folder).unwrap());
    for line in LINES {
        text(&mut console, line);
    }
    console
}

#[test]
fn all_of_it_comes_back() {
    let folder = TempDir::new().unwrap();
    let before = done_in(folder.path());
    let wanted = before.debugger().state();
    drop(before);
    let (_, resumed) = Session::resume(folder.path()).unwrap();
    let mut after = console(recording().build());
    after.debugger_mut().restore(resumed.state.as_ref().unwrap()).unwrap();
    assert_eq!(after.debugger().state(), wanted);
    assert_eq!(text(&mut after, "bookmarks"), "bookmark early: 0@0x1020#1 in work at app.c:10");
    assert!(text(&mut after, "display").starts_with("1: $rsp = "));
    assert!(text(&mut after, "frame").starts_with("  1  "));
    assert!(text(&mut after, "bp").contains("on each stop: regs rip"));
    assert_eq!(
        text(&mut after, "config"),
        "source-list-line-count  1\ncalls-run  all\nalias break  stopat\nmax-string-len  200 (Delve's; nothing here depends on it)"
    );
    let set = text(&mut after, "stopat main");
    assert!(set.starts_with("set breakpoint 2: main"), "{set}");
}

fn redo(folder: &Path) -> Result<Console, StrictError> {
    let (_, resumed) = Session::resume(folder).unwrap();
    let mut again = console(recording().build());
    strict::redo(again.debugger_mut(), &resumed, &mut |_| {})?;
    Ok(again)
}

#[test]
fn a_session_can_be_done_again() {
    let folder = TempDir::new().unwrap();
    let before = done_in(folder.path());
    let wanted = before.debugger().state();
    drop(before);
    let again = redo(folder.path()).unwrap();
    assert_eq!(again.debugger().state(), wanted);
}

/// Changes a text in the journal, and makes the line's checksum right again.
fn change(folder: &Path, from: &str, to: &str, nth: usize) {
    let path = folder.join("sessions/1/journal");
    let journal = fs::read_to_string(&path).unwrap();
    let mut seen = 0;
    let lines = journal.lines().map(|line| {
        let record = line.split_once("\"record\":").unwrap().1.strip_suffix('}').unwrap();
        let mut record = record.to_owned();
        if record.contains(from) {
            seen += 1;
            if seen == nth {
                record = record.replace(from, to);
            }
        }
        let sum = xxhash_rust::xxh3::xxh3_64(record.as_bytes());
        format!("{{\"sum\":\"{sum:016x}\",\"record\":{record}}}\n")
    });
    let changed: String = lines.collect();
    assert_ne!(changed, journal, "{from} is there");
    fs::write(&path, changed).unwrap();
}

#[track_caller]
fn differs(from: &str, to: &str, nth: usize, seq: u64, what: &str) {
    let folder = TempDir::new().unwrap();
    drop(done_in(folder.path()));
    change(folder.path(), from, to, nth);
    let err = redo(folder.path()).unwrap_err();
    let StrictError::Difference(difference) = &err else { panic!("{err}") };
    assert_eq!(difference.seq, seq, "{err}");
    assert!(err.to_string().contains(what), "{err}");
}

#[test]
fn the_request_that_differs_is_named() {
    // Where the second `c` led to.
    differs(
        "\"position\":\"0@0x1020#2\"",
        "\"position\":\"0@0x1010#1\"",
        1,
        12,
        "it led to 0@0x1010#1 then",
    );
    // What was asked.
    differs("\"direction\":\"forward\"", "\"direction\":\"backward\"", 2, 12, "it led to");
    // What the answer was, which is in the chain only.
    differs("\"chain\":\"", "\"chain\":\"0", 4, 4, "another answer");
    // How things are shown.
    differs("\"max-string-len\":\"200\"", "\"max-string-len\":\"20\"", 1, 11, "other settings");
    // What was selected.
    differs("\"frame\":1", "\"frame\":2", 1, 14, "another thread or frame");
}
