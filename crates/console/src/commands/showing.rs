//! Displays, machine code, output and events.

use retake_debugger::{DisassembleRequest, EventsRequest, Location, Request};
use retake_model::EventIndex;

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const DISPLAY: Command = Command {
    name: "display",
    aliases: &[],
    usage: "display [-a] EXPRESSION | -d N",
    summary: "shows the value of an expression at every stop, or no longer; alone, shows all of them",
    words: Words::Expressions(&["-a", "-d"]),
    parse: display,
};

fn display(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (first, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    Ok(Asked::plainly(match first {
        "" => Request::Displays,
        "-d" => Request::ClearDisplay { id: command.number(rest.trim())? },
        "-a" if rest.trim().is_empty() => return Err(command.misuse("an expression is missing")),
        "-a" => Request::Display(rest.trim().parse()?),
        _ => Request::Display(args.parse()?),
    }))
}

pub(super) const UNDISPLAY: Command = Command {
    name: "undisplay",
    aliases: &[],
    usage: "undisplay N",
    summary: "no longer shows an expression at every stop",
    words: Words::NONE,
    parse: |command, args| Ok(Asked::plainly(Request::ClearDisplay { id: command.number(args)? })),
};

/// Instructions that are shown where nobody says how many: more than most functions have.
const INSTRUCTIONS: usize = 200;

pub(super) const DISASSEMBLE: Command = Command {
    name: "disassemble",
    aliases: &["disass"],
    usage: "disassemble [-n N] [[-l] FUNCTION | FILE:LINE | *ADDRESS]",
    summary: "shows the machine code of the selected frame's function, or of another one; at most N instructions, \
              around the place",
    words: Words::Places,
    parse: disassemble,
};

fn disassemble(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (mut count, mut rest) = (INSTRUCTIONS, args);
    if let Some(after) = rest.strip_prefix("-n ") {
        let (number, behind) =
            after.trim().split_once(char::is_whitespace).unwrap_or((after.trim(), ""));
        count = command.number(number)?;
        rest = behind.trim();
    }
    rest = rest.strip_prefix("-l ").map_or(rest, str::trim);
    let at: Option<Location> = if rest.is_empty() { None } else { Some(rest.parse()?) };
    Ok(Asked::plainly(Request::Disassemble(DisassembleRequest { at, count })))
}

pub(super) const OUTPUT: Command = Command {
    name: "output",
    aliases: &[],
    usage: "output",
    summary: "shows what the program had printed until now (goto output \"TEXT\" goes to where it prints that)",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Output),
};

/// Events that are shown where nobody says how many.
const EVENTS: usize = 20;

pub(super) const EVENTS_COMMAND: Command = Command {
    name: "events",
    aliases: &[],
    usage: "events [FROM [COUNT]]",
    summary: "shows system calls and other events as strace does: those around this moment, or from number FROM on",
    words: Words::NONE,
    parse: events,
};

fn events(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let words: Vec<&str> = args.split_whitespace().collect();
    let (from, count) = match words[..] {
        [] => (None, EVENTS),
        [from] => (Some(command.number(from)?), EVENTS),
        [from, count] => (Some(command.number(from)?), command.number(count)?),
        _ => return Err(command.misuse(format!("{args:?} is too much"))),
    };
    let from = from.map(EventIndex::new);
    Ok(Asked::plainly(Request::Events(EventsRequest { from, count })))
}
