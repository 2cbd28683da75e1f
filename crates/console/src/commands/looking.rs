//! Tasks, stacks, registers and source text.

use retake_debugger::{Request, SourceRequest};
use retake_model::RegisterName;

use super::{Command, Words, values};
use crate::ConsoleError;
use crate::asked::{Asked, Scope};

/// As many frames as Delve shows.
const DEPTH: usize = 50;

/// Lines shown on each side, as in Delve.
const AROUND: u32 = 5;

pub(super) const STACK: Command = Command {
    name: "stack",
    aliases: &["bt", "where", "backtrace"],
    usage: "stack [-full] [DEPTH]",
    summary: "shows the stack of the selected thread, innermost frame first; with -full the variables of each frame",
    words: Words::These(&["-full"]),
    parse: |command, args| values::stack(command, args, DEPTH),
};

pub(super) const THREADS: Command = Command {
    name: "threads",
    aliases: &[],
    usage: "threads",
    summary: "lists the threads that live at this moment",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Threads),
};

pub(super) const THREAD: Command = Command {
    name: "thread",
    aliases: &["tr"],
    usage: "thread N [COMMAND]",
    summary: "selects the thread that other commands look at, until the next movement, or runs one command in it",
    words: Words::ThenCommand,
    parse: thread,
};

fn thread(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (number, line) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let number = command.number(number)?;
    if line.is_empty() {
        return Ok(Asked::plainly(Request::SelectThread { number }));
    }
    super::known(line)?;
    Ok(Asked::Within(Scope::Thread(number), line.trim().to_owned()))
}

pub(super) const REGS: Command = Command {
    name: "regs",
    aliases: &[],
    usage: "regs [NAME...]",
    summary: "shows general registers of the selected thread",
    words: Words::Registers,
    parse: regs,
};

fn regs(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let name = |word: &str| {
        let found = RegisterName::from_name(word.trim_start_matches('$'));
        found.ok_or_else(|| command.misuse(format!("{word:?} is not a register")))
    };
    let names = args.split_whitespace().map(name).collect::<Result<_, _>>()?;
    Ok(Asked::plainly(Request::Registers { names }))
}

pub(super) const LIST: Command = Command {
    name: "list",
    aliases: &["ls", "l"],
    usage: "list [FUNCTION | FILE:LINE | *ADDRESS]",
    summary: "shows the source around the selected thread, or around a place",
    words: Words::Places,
    parse: list,
};

fn list(_command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let at = if args.is_empty() { None } else { Some(args.parse()?) };
    Ok(Asked::plainly(Request::Source(SourceRequest { at, around: AROUND })))
}
