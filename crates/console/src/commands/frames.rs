//! Frames of the stack.

use retake_debugger::{FrameChoice, Request};

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::{Asked, Scope};

pub(super) const FRAME: Command = Command {
    name: "frame",
    aliases: &["fr", "f"],
    usage: "frame [N] [COMMAND]",
    summary: "selects a frame until the next movement (0 is the innermost), or runs one command in it",
    words: Words::ThenCommand,
    parse: |command, args| {
        choose(command, args, |number| match number {
            Some(n) => FrameChoice::Number(n),
            None => FrameChoice::Selected,
        })
    },
};

pub(super) const UP: Command = Command {
    name: "up",
    aliases: &[],
    usage: "up [N] [COMMAND]",
    summary: "selects the caller's frame, or the N-th outwards, or runs one command in it",
    words: Words::NONE,
    parse: |command, args| choose(command, args, |n| FrameChoice::Up(n.unwrap_or(1))),
};

pub(super) const DOWN: Command = Command {
    name: "down",
    aliases: &[],
    usage: "down [N] [COMMAND]",
    summary: "selects the called frame, or the N-th inwards, or runs one command in it",
    words: Words::NONE,
    parse: |command, args| choose(command, args, |n| FrameChoice::Down(n.unwrap_or(1))),
};

/// `[N] [COMMAND]`
fn choose(
    command: &Command,
    args: &str,
    choice: fn(Option<usize>) -> FrameChoice,
) -> Result<Asked, ConsoleError> {
    let (first, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let is_number = first.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let (number, line) = match (first, is_number) {
        ("", _) => (None, ""),
        (_, true) => (Some(command.number(first)?), rest.trim()),
        (_, false) => (None, args),
    };
    let choice = choice(number);
    if line.is_empty() {
        return Ok(Asked::plainly(Request::SelectFrame(choice)));
    }
    super::known(line)?;
    Ok(Asked::Within(Scope::Frame(choice), line.to_owned()))
}
