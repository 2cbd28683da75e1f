//! Every word of the help table, and every kind of answer, as text and as JSON.
//!
//! `every_word.session` has the commands; `every_word.txt` and `every_word.jsonl` what they answer. With
//! `RETAKE_WRITE_SNAPSHOTS` set they are written instead of compared: read what changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use retake_execution::{Clock, EventFilter, ProgramEnd};
use retake_model::RegisterName;
use retake_testkit::fake::{FakeBuilder, FakeExecution};

use super::console;
use crate::{Command, ConsoleError, Output, commands, render};

const APP: &str = "0 main+ src/tests/app.c:1\n10 main src/tests/app.c:2\n20 work+ src/tests/app.c:10\n\
                   30 work src/tests/app.c:11\n";

/// `main` calls `work` twice, prints, asks for the time, and ends with 3.
fn execution() -> FakeExecution {
    FakeBuilder::new()
        .file("/home/me/app", APP)
        .map_code(1, 0x1000, 0x1000, 0, 0)
        .map_data(1, 0x7000, 0x2000)
        .set(RegisterName::Rsp, 0x8000)
        .set(RegisterName::Rbp, 0x8100)
        .write(0x8008, [0x2a, 0, 0, 0])
        .write(0x8108, [0x11, 0x10])
        .steps(&[0x1000, 0x1020, 0x1030, 0x1010, 0x1020])
        .event(1, "write(1, \"hello\\n\", 6) = 6")
        .is(EventFilter::Output(b"hello\n".to_vec()))
        .checkpoint()
        .steps(&[0x1010])
        .event(1, "clock_gettime(0, {..}) = 0")
        .reads_clock(Clock::Real, 1_700_000_000_500_000_000)
        .spawn(2, 1)
        .steps(&[0x1020])
        .event(2, "clone() = 102")
        .is(EventFilter::Fork)
        .set(RegisterName::Rsp, 0x8200)
        .steps(&[0x1020, 0x1030])
        .event(1, "exit_group(3)")
        .ends(ProgramEnd::Exited(3))
        .build()
}

fn commands_of_session() -> Vec<&'static str> {
    include_str!("every_word.session").lines().filter(|line| !line.is_empty()).collect()
}

fn answers() -> Vec<(&'static str, Result<Output, ConsoleError>)> {
    let mut console = console(execution());
    commands_of_session().into_iter().map(|line| (line, console.execute(line))).collect()
}

#[track_caller]
fn check(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests").join(name);
    if std::env::var_os("RETAKE_WRITE_SNAPSHOTS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap();
    for (number, (found, wanted)) in (1..).zip(found.lines().zip(wanted.lines())) {
        assert_eq!(found, wanted, "{name}:{number}");
    }
    assert_eq!(found.lines().count(), wanted.lines().count(), "{name}");
}

#[test]
fn texts() {
    let mut text = String::new();
    for (line, answer) in answers() {
        let answer = match answer {
            Ok(output) => render::text(&output),
            Err(err) => format!("error: {err}"),
        };
        let end = if answer.is_empty() { "" } else { "\n" };
        text.push_str(&format!("> {line}\n{answer}{end}"));
    }
    check("every_word.txt", &text);
}

#[test]
fn json() {
    let lines = answers().into_iter().map(|(line, answer)| render::json_step(line, &answer) + "\n");
    check("every_word.jsonl", &lines.collect::<String>());
}

#[test]
fn what_is_printed_can_be_read_back() {
    for (line, answer) in answers() {
        let Ok(output) = answer else { continue };
        let json = render::json_step(line, &Ok(output.clone()));
        assert_eq!(serde_json::from_str::<Output>(&json).unwrap(), output, "{json}");
    }
}

#[test]
fn the_session_has_every_word() {
    let used: BTreeSet<&str> = commands_of_session()
        .into_iter()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for command in commands() {
        for name in command.aliases.iter().chain([&command.name]) {
            assert!(used.contains(name), "{name} is not in every_word.session");
        }
    }
}

/// A row of the table of commands.
fn row(command: &Command) -> String {
    let usage = command.usage.replace('|', "\\|");
    let aliases: Vec<String> = command.aliases.iter().map(|alias| format!("`{alias}`")).collect();
    let summary = command.summary.replace('|', "\\|");
    format!("| `{usage}` | {} | {summary} |\n", aliases.join(" "))
}

/// The kinds of answers, as JSON names them.
fn kinds() -> BTreeSet<String> {
    let all = answers().into_iter().filter_map(|(_, answer)| answer.ok());
    let kind =
        |output: Output| serde_json::to_value(output).unwrap()["kind"].as_str().unwrap().to_owned();
    all.map(kind).collect()
}

#[test]
fn the_documents_have_every_command_and_kind() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let rows: String = commands().iter().map(row).collect();
    let path = docs.join("commands.md");
    let table = fs::read_to_string(&path).unwrap();
    let (head, rest) = table.split_once("| --- | --- | --- |\n").unwrap();
    if std::env::var_os("RETAKE_WRITE_SNAPSHOTS").is_some() {
        let tail = rest.split_once("\n\n").map_or("", |(_, tail)| tail);
        let table = format!("{head}| --- | --- | --- |\n{rows}\n{tail}");
        fs::write(&path, table).unwrap();
    }
    for row in rows.lines() {
        assert!(table.contains(row), "docs/commands.md lacks: {row}");
    }
    let json = fs::read_to_string(docs.join("json.md")).unwrap();
    for kind in kinds() {
        assert!(json.contains(&format!("`{kind}`")), "docs/json.md does not say what {kind} is");
    }
}
