//! Goroutines of Go programs.

use retake_debugger::Request;

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::{Asked, Scope};

pub(super) const GOROUTINES: Command = Command {
    name: "goroutines",
    aliases: &["grs"],
    usage: "goroutines",
    summary: "lists the goroutines of a Go program that live at this moment, with what each waits for",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Goroutines),
};

pub(super) const GOROUTINE: Command = Command {
    name: "goroutine",
    aliases: &["gr"],
    usage: "goroutine [N [COMMAND]]",
    summary: "selects a goroutine until the next movement, or runs one command in it; without a number, shows which one is selected",
    words: Words::ThenCommand,
    parse: goroutine,
};

fn goroutine(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    if args.is_empty() {
        return Ok(Asked::plainly(Request::SelectGoroutine { id: None }));
    }
    let (number, line) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let id = command.number(number)?;
    if line.is_empty() {
        return Ok(Asked::plainly(Request::SelectGoroutine { id: Some(id) }));
    }
    super::known(line)?;
    Ok(Asked::Within(Scope::Goroutine(id), line.trim().to_owned()))
}
