//! `docs/tour.md` is what happens: its sessions are had again, over fresh recordings, and compared.
//!
//! A block that begins with three backticks and `retake NAME` is a session on the recording of that program; blocks
//! of one name go on with one session. With `RETAKE_WRITE_SNAPSHOTS` set the answers are written instead of compared.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use retake_testkit::{Retake, fixture, require};

/// What a line of a session begins with that asks for something.
const PROMPT: &str = "(retake) ";
/// Stands between the answers.
const MARK: &str = "next";
/// Runs until a program of which half of the runs fail has failed.
const ROUNDS: usize = 64;

fn document() -> PathBuf {
    fixture::project().join("docs/tour.md")
}

/// A piece of the document: text, or a session's name and its lines.
enum Piece<'a> {
    Text(&'a str),
    Session(&'a str, Vec<&'a str>),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        pieces.push(Piece::Text(line));
        if let Some(name) = line.strip_prefix("```retake ") {
            pieces.push(Piece::Session(name, lines.by_ref().take_while(|l| *l != "```").collect()));
            pieces.push(Piece::Text("```"));
        }
    }
    pieces
}

/// The program of a session, recorded; none where it cannot be built here.
fn recorded(retake: &Retake, name: &str) -> Option<PathBuf> {
    let test = "the_tour_is_what_happens";
    let program = match name {
        "basket" => fixture::rust("tour/basket.rs", &[]),
        "names" => fixture::c("tour/names.c", &["-O0"]),
        "stock" => fixture::cpp_with("tour/stock.cpp", &["-O0", "-std=c++17"]),
        "stuck" => fixture::go_for_delve(test, "go/stuck.go")?,
        "words" => require(test, "python3")?,
        _ => panic!("there is no program {name}"),
    };
    let mut command = vec![program];
    if name == "words" {
        command.push(fixture::project().join("fixtures/tour/words.py"));
    }
    for _ in 0..ROUNDS {
        let dir = retake.path(name);
        let _ = fs::remove_dir_all(&dir);
        // With more CPUs the runtime of Go numbers goroutines in another order each time.
        let options: &[&str] = if name == "stuck" { &["--cpus", "1"] } else { &[] };
        let (dir, ended) = retake.record(name, options, &command);
        if name != "basket" || ended.code() != 0 {
            return Some(dir);
        }
    }
    panic!("{name} did not fail")
}

/// The answers to the commands of one session.
fn answers(retake: &Retake, dir: &Path, commands: &[&str]) -> Vec<String> {
    let mark = format!("print \"{MARK}\"\n");
    let script: String = commands.iter().map(|command| format!("{mark}{command}\n")).collect();
    let ended = retake.debug(dir, &["--at", "start"], &script);
    assert_eq!(ended.errors(), "", "{}", dir.display());
    let output = as_shown(&ended.good().output());
    let between = format!("\"{MARK}\"\n");
    let mut parts = output.split(&between);
    // What it says as it starts.
    parts.next();
    parts.map(str::to_owned).collect()
}

/// Without the folders of this machine.
fn as_shown(output: &str) -> String {
    let project = fixture::project().display().to_string();
    let patterns = [
        (format!("{project}/target/fixtures/[0-9a-f]+/"), "./"),
        (format!("{project}/fixtures/(tour|go)/"), ""),
        ("/rustc/[0-9a-f]+/".to_owned(), "/rustc/…/"),
    ];
    patterns.iter().fold(output.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}

/// Without what differs from run to run and from machine to machine: addresses, numbers of events, threads and
/// times, and where the system's libraries were compiled.
fn sketch(text: &str) -> String {
    let patterns = [
        (r"0x[0-9a-f]+", "ADDR"),
        (r"(?m)^( *)\d+(\+\d+@ADDR)?  (thread|task) \d+", "$1 POSITION"),
        (r"\d+\+\d+@ADDR", "POSITION"),
        (r"\(thread \d+\)", "(thread N)"),
        (r"tid \d+  pid \d+", "tid N  pid N"),
        (r"POSITION of \d+ events", "POSITION of N events"),
        (r" at (\./|\.\./|/usr/|/rustc/)\S+", ""),
        (r" /rustc/\S+", ""),
        (r"\n  [0-9.]+ s of run time.*", ""),
        (r"(last|next) event: \d+", "$1 event: N"),
        // Who gets which job, and waits first, is the scheduler's matter.
        (r#"id: \d+, name: "job-\d+""#, "JOB"),
        (r"value: \d+", "value: N"),
        (r"goroutine \d+, goroutine \d+, goroutine \d+", "three goroutines"),
        // In the C library, as far as its names are known.
        (r" in \S+ +\((SIGABRT|reached)", " ($1"),
        (r"(?m)^ +\d+ +ADDR in", "N ADDR in"),
        (r" +", " "),
    ];
    patterns.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}

#[test]
fn the_tour_is_what_happens() {
    let text = fs::read_to_string(document()).unwrap();
    let pieces = pieces(&text);
    let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for piece in &pieces {
        if let Piece::Session(name, lines) = piece {
            let commands = lines.iter().filter_map(|line| line.strip_prefix(PROMPT));
            asked.entry(name).or_default().extend(commands);
        }
    }
    assert_eq!(asked.len(), 5, "five jobs");
    let retake = Retake::new(env!("CARGO_BIN_EXE_retake"));
    let mut said = BTreeMap::new();
    for (name, commands) in &asked {
        if let Some(dir) = recorded(&retake, name) {
            said.insert(*name, answers(&retake, &dir, commands).into_iter());
        }
    }
    let mut now = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(line) => now.push_str(&format!("{line}\n")),
            Piece::Session(name, lines) => {
                let Some(answers) = said.get_mut(name) else {
                    lines.iter().for_each(|line| now.push_str(&format!("{line}\n")));
                    continue;
                };
                let before = lines.iter().take_while(|line| !line.starts_with(PROMPT));
                before.for_each(|line| now.push_str(&format!("{line}\n")));
                for command in lines.iter().filter(|line| line.starts_with(PROMPT)) {
                    now.push_str(&format!("{command}\n{}", answers.next().unwrap()));
                }
            }
        }
    }
    if std::env::var_os("RETAKE_WRITE_SNAPSHOTS").is_some() {
        fs::write(document(), now).unwrap();
        return;
    }
    let (expected, found) = (sketch(&text), sketch(&now));
    for (expected, found) in expected.lines().zip(found.lines()) {
        assert_eq!(expected, found, "docs/tour.md");
    }
    assert_eq!(expected.lines().count(), found.lines().count());
}
