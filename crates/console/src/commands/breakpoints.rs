//! Breakpoints and their hits.

use retake_debugger::{Chosen, Location, NewBreakpoint, NewCondition, PageRequest, Request};

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const BREAK: Command = Command {
    name: "break",
    aliases: &["b"],
    usage: "break FUNCTION | FILE:LINE | /REGEX/ | *ADDRESS [if CONDITION]",
    summary: "sets a breakpoint, in every process and at every time",
    words: Words::NONE,
    parse: set,
};

fn set(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    if args.is_empty() {
        return Err(command.misuse("a location is missing"));
    }
    let (location, condition) = match args.split_once(" if ") {
        Some((location, condition)) => (location.trim(), Some(condition.trim().parse()?)),
        None => (args, None),
    };
    let location: Location = location.parse()?;
    Ok(Asked::plainly(Request::Break(NewBreakpoint { location, condition })))
}

pub(super) const CONDITION: Command = Command {
    name: "condition",
    aliases: &["cond"],
    usage: "condition BREAKPOINT [CONDITION]",
    summary: "has a breakpoint stop only where a condition holds; without one, always again",
    words: Words::NONE,
    parse: condition,
};

fn condition(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (breakpoint, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let breakpoint = command.breakpoint(breakpoint)?;
    let condition = match rest.trim() {
        "" => None,
        condition => Some(condition.parse()?),
    };
    Ok(Asked::plainly(Request::Condition(NewCondition { breakpoint, condition })))
}

pub(super) const BREAKPOINTS: Command = Command {
    name: "breakpoints",
    aliases: &["bp"],
    usage: "breakpoints",
    summary: "lists the breakpoints",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Breakpoints),
};

pub(super) const CLEAR: Command = Command {
    name: "clear",
    aliases: &[],
    usage: "clear BREAKPOINT... | all",
    summary: "removes breakpoints",
    words: Words::These(&["all"]),
    parse: clear,
};

fn clear(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let which = match args {
        "" => return Err(command.misuse("a breakpoint is missing")),
        "all" => Chosen::All,
        _ => Chosen::These(command.breakpoints(args)?),
    };
    Ok(Asked::plainly(Request::Clear(which)))
}

pub(super) const HITS: Command = Command {
    name: "hits",
    aliases: &[],
    usage: "hits [BREAKPOINT...]",
    summary: "lists every hit over the whole recording (go to one: goto hit N)",
    words: Words::NONE,
    parse: hits,
};

fn hits(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let of = match args {
        "" => Chosen::All,
        _ => Chosen::These(command.breakpoints(args)?),
    };
    Ok(Asked::plainly(Request::Hits { of, page: PageRequest::default() }))
}
