//! Movements.

use retake_debugger::{Moment, Request};
use retake_execution::Direction;
use retake_model::{CheckpointIndex, EventIndex};

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const CONTINUE: Command = Command {
    name: "continue",
    aliases: &["c"],
    usage: "continue",
    summary: "runs to the next hit, or to the end",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Run { direction: Direction::Forward }),
};

pub(super) const REWIND: Command = Command {
    name: "rewind",
    aliases: &["rw"],
    usage: "rewind",
    summary: "runs back to the previous hit, or to the start",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Run { direction: Direction::Backward }),
};

pub(super) const GOTO: Command = Command {
    name: "goto",
    aliases: &["g"],
    usage: "goto hit [BREAKPOINT] N | event N | checkpoint N | start | end | POSITION",
    summary: "goes to a moment of the recording",
    words: Words::These(&["hit", "event", "checkpoint", "start", "end"]),
    parse: goto,
};

fn goto(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let words: Vec<&str> = args.split_whitespace().collect();
    let moment = match words[..] {
        [] => return Err(command.misuse("a moment is missing")),
        ["start"] => Moment::Start,
        ["end"] => Moment::End,
        ["event", n] => Moment::Event(EventIndex::new(command.number(n)?)),
        ["checkpoint", n] => Moment::Checkpoint(CheckpointIndex::new(command.number(n)?)),
        ["hit", n] => Moment::Hit { breakpoint: None, n: command.number(n)? },
        ["hit", breakpoint, n] => {
            Moment::Hit { breakpoint: Some(command.breakpoint(breakpoint)?), n: command.number(n)? }
        }
        [position] => {
            Moment::Position(position.parse().map_err(|err| command.misuse(format!("{err}")))?)
        }
        _ => return Err(command.misuse(format!("{args:?} is not a moment"))),
    };
    Ok(Asked::plainly(Request::Seek(moment)))
}
