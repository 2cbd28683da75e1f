//! Breakpoints and their hits.

use retake_debugger::expr::Expression;
use retake_debugger::{
    Chosen, Counted, HitCondition, Lifetime, Location, NewBreakpoint, NewCondition,
    NewHitCondition, OnHit, PageRequest, Request,
};

use super::values::{self, HitsChosen};
use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::{Asked, Shown, TableForm};

pub(super) const BREAK: Command = Command {
    name: "break",
    aliases: &["b"],
    usage: "break [NAME] FUNCTION | FILE:LINE | /REGEX/ | *ADDRESS [thread N] [if CONDITION]",
    summary: "sets a breakpoint, in every process and at every time",
    words: Words::Places,
    parse: |command, args| set(command, args, Lifetime::UntilCleared),
};

pub(super) const TBREAK: Command = Command {
    name: "tbreak",
    aliases: &["tb"],
    usage: "tbreak [NAME] FUNCTION | FILE:LINE | /REGEX/ | *ADDRESS [thread N] [if CONDITION]",
    summary: "sets a breakpoint that is removed when a run stops at it",
    words: Words::Places,
    parse: |command, args| set(command, args, Lifetime::UntilHit),
};

/// A place, and when it counts.
pub(super) struct At {
    pub(super) location: Location,
    pub(super) condition: Option<Expression>,
    pub(super) thread: Option<u32>,
}

fn set(command: &Command, args: &str, lifetime: Lifetime) -> Result<Asked, ConsoleError> {
    let (name, args) = named(args);
    let At { location, condition, thread } = at(command, args)?;
    let name = name.map(str::to_owned);
    Ok(Asked::plainly(Request::Break(NewBreakpoint {
        name,
        location,
        condition,
        thread,
        lifetime,
    })))
}

/// A breakpoint's name, if there is one, and the rest: `NAME LOCATION ...` as in Delve.
fn named(args: &str) -> (Option<&str>, &str) {
    let Some((name, rest)) = args.split_once(char::is_whitespace) else { return (None, args) };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let next = rest.split_whitespace().next().unwrap_or_default();
    // What follows a location, and the parts of names that have spaces in C++.
    let goes_on = ["if", "thread", "as", "for"].contains(&next)
        || ["operator", "unsigned", "struct", "class", "enum", "const", "impl"].contains(&name);
    if is_name && !goes_on { (Some(name), rest.trim_start()) } else { (None, args) }
}

/// `LOCATION [thread N] [if CONDITION]`
pub(super) fn at(command: &Command, args: &str) -> Result<At, ConsoleError> {
    if args.is_empty() {
        return Err(command.misuse("a location is missing"));
    }
    let (place, condition) = match args.split_once(" if ") {
        Some((place, condition)) => (place.trim(), Some(condition.trim().parse()?)),
        None => (args, None),
    };
    let (location, thread) = match place.rsplit_once(" thread ") {
        Some((location, number)) => (location, Some(command.number(number.trim())?)),
        None => (place, None),
    };
    Ok(At { location: location.parse()?, condition, thread })
}

pub(super) const CONDITION: Command = Command {
    name: "condition",
    aliases: &["cond"],
    usage: "condition BREAKPOINT [CONDITION] | -hitcount BREAKPOINT OP N | -per-thread-hitcount BREAKPOINT OP \
            N | -clear BREAKPOINT",
    summary: "has a breakpoint stop only where a condition holds, or at hits with certain numbers (== != > >= < \
              <= %); without one, always again",
    words: Words::ThenExpression(&["-hitcount", "-per-thread-hitcount", "-clear"]),
    parse: condition,
};

fn condition(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (first, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    match first {
        "-hitcount" => return hit_condition(command, rest.trim(), Counted::Together),
        "-per-thread-hitcount" => return hit_condition(command, rest.trim(), Counted::PerThread),
        "-per-g-hitcount" => {
            let problem = "goroutines are not counted apart, threads are: -per-thread-hitcount";
            return Err(command.misuse(problem));
        }
        "-clear" => {
            let breakpoint = command.breakpoint(rest.trim())?;
            return Ok(Asked::plainly(Request::ClearConditions { breakpoint }));
        }
        _ => {}
    }
    let breakpoint = command.breakpoint(first)?;
    let condition = match rest.trim() {
        "" => None,
        condition => Some(condition.parse()?),
    };
    Ok(Asked::plainly(Request::Condition(NewCondition { breakpoint, condition })))
}

fn hit_condition(command: &Command, args: &str, counted: Counted) -> Result<Asked, ConsoleError> {
    let (breakpoint, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let breakpoint = command.breakpoint(breakpoint)?;
    let hits = Some(HitCondition { counted, numbers: rest.parse()? });
    Ok(Asked::plainly(Request::HitCondition(NewHitCondition { breakpoint, hits })))
}

pub(super) const BREAKPOINTS: Command = Command {
    name: "breakpoints",
    aliases: &["bp"],
    usage: "breakpoints",
    summary: "lists the breakpoints and what is caught",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Breakpoints),
};

pub(super) const ON: Command = Command {
    name: "on",
    aliases: &[],
    usage: "on BREAKPOINT COMMAND | -clear",
    summary: "has a command run at every stop of a breakpoint, after those that it has; -clear takes all away",
    words: Words::ThenCommand,
    parse: on,
};

fn on(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (breakpoint, line) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let breakpoint = command.breakpoint(breakpoint)?;
    let line = match line.trim() {
        "" => return Err(command.misuse("a command is missing")),
        "-clear" => None,
        line => Some(line.to_owned()),
    };
    if let Some(line) = &line
        && !super::parse(line)?.only_looks()
    {
        let problem =
            format!("{line:?} does more than look: trace and hits show all hits without a stop");
        return Err(command.misuse(problem));
    }
    Ok(Asked::plainly(Request::OnHit(OnHit { breakpoint, command: line })))
}

pub(super) const CLEARALL: Command = Command {
    name: "clearall",
    aliases: &[],
    usage: "clearall",
    summary: "removes all breakpoints, and all that is caught",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Clear(Chosen::All)),
};

pub(super) const CLEAR: Command = Command {
    name: "clear",
    aliases: &["delete", "d"],
    usage: "clear BREAKPOINT... | all",
    summary: "removes breakpoints, and what is caught",
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
    usage: "hits [BREAKPOINT...] [--all | FROM..TO] [print EXPRESSION, ... [if CONDITION]] [-csv | -json]",
    summary: "lists hits over the whole recording, 20 of them if it is not said which (go to one: goto hit N); with \
              print, what expressions were at each of them; -csv and -json give a table for other programs",
    words: Words::These(&["--all", "-csv", "-json"]),
    parse: hits,
};

/// Hits that are listed where nobody says how many.
const FEW: usize = 20;

fn hits(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (args, shown) = table_of(args);
    if let Some(request) = values::hit_values(command, args)? {
        return Ok(Asked::Request(request, shown));
    }
    let (of, page) = chosen_hits(command, args)?;
    let page = page.unwrap_or(PageRequest { from: 0, limit: Some(FEW) });
    Ok(Asked::Request(Request::Hits { of, page }, shown))
}

/// The words without the form of a table at their end, and that form.
fn table_of(args: &str) -> (&str, Shown) {
    let forms = [("-csv", TableForm::Csv), ("-json", TableForm::Json)];
    for (word, form) in forms {
        if let Some(rest) = args.strip_suffix(word)
            && (rest.is_empty() || rest.ends_with(char::is_whitespace))
        {
            return (rest.trim_end(), Shown::Table(form));
        }
    }
    (args, Shown::Plainly)
}

/// The breakpoints that words name, and the part of their hits, if they say one.
pub(super) fn chosen_hits(command: &Command, args: &str) -> Result<HitsChosen, ConsoleError> {
    let (mut of, mut page) = (Vec::new(), None);
    for word in args.split_whitespace() {
        match (word, word.split_once("..")) {
            ("--all", _) => page = Some(PageRequest::default()),
            (_, Some((first, last))) => page = Some(part(command, first, last)?),
            _ => of.push(command.breakpoint(word)?),
        }
    }
    let of = if of.is_empty() { Chosen::All } else { Chosen::These(of) };
    Ok((of, page))
}

/// `FROM..TO`, counted from 1; to the end if the second is missing.
fn part(command: &Command, first: &str, last: &str) -> Result<PageRequest, ConsoleError> {
    let first: usize = command.number(first)?;
    let from = first.checked_sub(1).ok_or_else(|| command.misuse("hits are counted from 1"))?;
    if last.is_empty() {
        return Ok(PageRequest { from, limit: None });
    }
    let last: usize = command.number(last)?;
    let limit = last.checked_sub(from).filter(|limit| *limit > 0);
    let limit = limit.ok_or_else(|| command.misuse(format!("{last} comes before {first}")))?;
    Ok(PageRequest { from, limit: Some(limit) })
}
