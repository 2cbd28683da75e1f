//! Lines over a debugger of a fake execution.

mod bad_input;
mod completing;
mod every_word;
mod journal;
mod looking;
mod moving;
mod scripts;
mod sessions;

use retake_debugger::{Debugger, TextReader};
use retake_model::RegisterName;
use retake_testkit::fake::{FakeBuilder, FakeExecution};

use crate::{Console, render};

const APP: &str = "0 main+ app.c:1\n10 main app.c:2\n20 work+ app.c:10\n30 work app.c:11\n";
const LIB: &str = "0 work+ lib.c:5\n10 puts+ lib.c:9\n";

/// `main` calls `work` three times: twice in task 1, once in task 2.
fn recording() -> FakeBuilder {
    FakeBuilder::new()
        .file("/home/me/app", APP)
        .file("/usr/lib/libc.so", LIB)
        .file("/usr/share/data", vec![0xff])
        .map_code(1, 0x1000, 0x1000, 0, 0)
        .map_code(1, 0x7000, 0x1000, 1, 0)
        .map_data(1, 0x8000, 0x1000)
        .set(RegisterName::Rsp, 0x8000)
        .set(RegisterName::Rbp, 0x8100)
        .write(0x8008, [0x2a, 0, 0, 0])
        .write(0x8108, [0x10, 0x10])
        .steps(&[0x1000, 0x1020, 0x1030, 0x1010, 0x1020])
        .event(1, "write(1, \"a\", 1) = 1")
        .checkpoint()
        .spawn(2, 1)
        .steps(&[0x7010, 0x1010])
        .event(2, "clone() = 102")
        .steps(&[0x1020, 0x1030])
        .event(1, "exit(0)")
}

fn console(execution: FakeExecution) -> Console {
    Console::new(Debugger::new(Box::new(execution), Box::new(TextReader)))
}

fn text(console: &mut Console, command: &str) -> String {
    match console.execute(command) {
        Ok(output) => render::text(&output),
        Err(err) => format!("error: {err}"),
    }
}

/// Runs commands (`> command` lines) and compares with the text that each gives.
#[track_caller]
fn check_with(console: &mut Console, session: &str) {
    let session: Vec<&str> = session.lines().map(str::trim_end).collect();
    let mut seen: Vec<String> = Vec::new();
    for command in session.iter().filter_map(|line| line.strip_prefix("> ")) {
        seen.push(format!("> {command}"));
        seen.extend(text(console, command).lines().map(|line| line.trim_end().to_owned()));
    }
    let wanted: Vec<&str> = session.into_iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(seen.join("\n"), wanted.join("\n"));
}

#[track_caller]
fn check(session: &str) {
    check_with(&mut console(recording().build()), session);
}
