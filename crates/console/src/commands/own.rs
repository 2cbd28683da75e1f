//! What the console does itself.

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const SOURCE: Command = Command {
    name: "source",
    aliases: &[],
    usage: "source FILE",
    summary: "runs the commands in a file, and stops at the first that fails",
    words: Words::Files,
    parse: source,
};

fn source(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    if args.is_empty() {
        return Err(command.misuse("a file is missing"));
    }
    Ok(Asked::Script(args.to_owned()))
}

/// An error about scripts inside scripts.
pub(crate) fn nested_too_deeply() -> ConsoleError {
    SOURCE.misuse("scripts are nested too deeply")
}

pub(super) const HELP: Command = Command {
    name: "help",
    aliases: &["h"],
    usage: "help [COMMAND]",
    summary: "says what the commands are",
    words: Words::Commands,
    parse: |_, args| Ok(Asked::Help(args.to_owned())),
};

pub(super) const EXIT: Command = Command {
    name: "exit",
    aliases: &["quit", "q"],
    usage: "exit",
    summary: "leaves the debugger; the session can be resumed",
    words: Words::NONE,
    parse: exit,
};

fn exit(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    command.no_args(args)?;
    Ok(Asked::Exit)
}
