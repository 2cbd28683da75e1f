//! Movements.

use std::num::NonZeroU64;

use retake_debugger::{Moment, Request, RunTo, Scope, StepKind, StepRequest};
use retake_execution::Direction;
use retake_model::{CheckpointIndex, EventIndex};

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const CONTINUE: Command = Command {
    name: "continue",
    aliases: &["c"],
    usage: "continue [LOCATION]",
    summary: "runs to the next hit, or to the end; with a location as advance does",
    words: Words::Places,
    parse: |command, args| match args {
        "" => command.alone(args, Request::Run { direction: Direction::Forward }),
        _ => run_to(command, args, Scope::Recording, Direction::Forward),
    },
};

pub(super) const REWIND: Command = Command {
    name: "rewind",
    aliases: &["rw"],
    usage: "rewind",
    summary: "runs back to the previous hit, or to the start",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Run { direction: Direction::Backward }),
};

pub(super) const UNTIL: Command = Command {
    name: "until",
    aliases: &[],
    usage: "until FUNCTION | FILE:LINE | *ADDRESS",
    summary: "runs the thread to a place, or out of the function if that comes first",
    words: Words::Places,
    parse: |command, args| run_to(command, args, Scope::Function, Direction::Forward),
};

pub(super) const ADVANCE: Command = Command {
    name: "advance",
    aliases: &[],
    usage: "advance FUNCTION | FILE:LINE | *ADDRESS",
    summary: "runs the thread to a place",
    words: Words::Places,
    parse: |command, args| run_to(command, args, Scope::Recording, Direction::Forward),
};

fn run_to(
    command: &Command,
    args: &str,
    scope: Scope,
    direction: Direction,
) -> Result<Asked, ConsoleError> {
    if args.is_empty() {
        return Err(command.misuse("a location is missing"));
    }
    let location = args.parse()?;
    Ok(Asked::plainly(Request::RunTo(RunTo { location, direction, scope })))
}

/// A command that steps, in either direction.
macro_rules! steps {
    ($const:ident, $name:literal, $aliases:expr, $summary:literal, $kind:ident, $direction:ident) => {
        pub(super) const $const: Command = Command {
            name: $name,
            aliases: $aliases,
            usage: concat!($name, " [COUNT]"),
            summary: $summary,
            words: Words::NONE,
            parse: |command, args| step(command, args, StepKind::$kind, Direction::$direction),
        };
    };
}

steps!(STEP, "step", &["s"], "steps to another source line, into calls", Step, Forward);
steps!(NEXT, "next", &["n"], "steps to another source line, over calls", Next, Forward);
steps!(STEPOUT, "stepout", &["so", "finish"], "runs out of the function", Out, Forward);
steps!(
    STEP_INSTRUCTION,
    "step-instruction",
    &["si", "stepi"],
    "executes one instruction",
    Instruction,
    Forward
);
steps!(
    NEXT_INSTRUCTION,
    "next-instruction",
    &["ni", "nexti"],
    "executes one instruction; a call is one",
    NextInstruction,
    Forward
);

pub(super) const REV: Command = Command {
    name: "rev",
    aliases: &["reverse"],
    usage: "rev step | next | stepout | step-instruction | next-instruction [COUNT] | continue | until LOCATION \
            | advance LOCATION",
    summary: "does the same backwards",
    words: Words::These(&[
        "step",
        "next",
        "stepout",
        "step-instruction",
        "next-instruction",
        "continue",
        "until",
        "advance",
    ]),
    parse: backwards,
};

fn backwards(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (name, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let kind = match super::find(name).map(|found| found.name) {
        Some("step") => StepKind::Step,
        Some("next") => StepKind::Next,
        Some("stepout") => StepKind::Out,
        Some("step-instruction") => StepKind::Instruction,
        Some("next-instruction") => StepKind::NextInstruction,
        Some("continue") => {
            return command.alone(rest, Request::Run { direction: Direction::Backward });
        }
        Some("until") => {
            return run_to(command, rest.trim(), Scope::Function, Direction::Backward);
        }
        Some("advance") => {
            return run_to(command, rest.trim(), Scope::Recording, Direction::Backward);
        }
        _ => return Err(command.misuse(format!("{name:?} cannot be done backwards"))),
    };
    step(command, rest.trim(), kind, Direction::Backward)
}

fn step(
    command: &Command,
    args: &str,
    kind: StepKind,
    direction: Direction,
) -> Result<Asked, ConsoleError> {
    let count = if args.is_empty() { NonZeroU64::MIN } else { command.number(args)? };
    Ok(Asked::plainly(Request::Step(StepRequest { kind, direction, count })))
}

pub(super) const GOTO: Command = Command {
    name: "goto",
    aliases: &["g"],
    usage: "goto hit [BREAKPOINT] N | event N | checkpoint N | output TEXT | time HH:MM:SS | SECONDSs | PERCENT% | \
            failure | main | start | end | BOOKMARK | POSITION",
    summary: "goes to a moment of the recording: a hit, where a text is printed, when the program's clock said so \
              (UTC), after so much of its run time",
    words: Words::Moments(&[
        "hit",
        "event",
        "checkpoint",
        "output",
        "time",
        "failure",
        "main",
        "start",
        "end",
    ]),
    parse: goto,
};

fn goto(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    if let Some(text) = args.strip_prefix("output ") {
        return output(command, text.trim());
    }
    if let Some(time) = args.strip_prefix("time ") {
        let time = time.trim().parse().map_err(|err| command.misuse(format!("{err}")))?;
        return Ok(Asked::plainly(Request::Seek(Moment::Clock(time))));
    }
    let words: Vec<&str> = args.split_whitespace().collect();
    let moment = match words[..] {
        [] => return Err(command.misuse("a moment is missing")),
        ["start"] => Moment::Start,
        ["end"] => Moment::End,
        ["failure"] => Moment::Failure,
        ["main"] => Moment::Main,
        ["event", n] => Moment::Event(EventIndex::new(command.number(n)?)),
        ["checkpoint", n] => Moment::Checkpoint(CheckpointIndex::new(command.number(n)?)),
        ["hit", n] => Moment::Hit { breakpoint: None, n: command.number(n)? },
        ["hit", breakpoint, n] => {
            Moment::Hit { breakpoint: Some(command.breakpoint(breakpoint)?), n: command.number(n)? }
        }
        [word] => named_moment(command, word)?,
        _ => return Err(command.misuse(format!("{args:?} is not a moment"))),
    };
    Ok(Asked::plainly(Request::Seek(moment)))
}

/// `TEXT` or `"TEXT" N`
fn output(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (text, n) = match args.rsplit_once("\" ") {
        Some((text, n)) if args.starts_with('"') => {
            (format!("{text}\""), command.number(n.trim())?)
        }
        _ => (args.to_owned(), NonZeroU64::MIN),
    };
    let text = command.text(&text)?;
    if text.is_empty() {
        return Err(command.misuse("a text is missing"));
    }
    Ok(Asked::plainly(Request::Seek(Moment::Output { text, n })))
}

/// `12.3s`, `40%`, a bookmark or a position.
pub(super) fn named_moment(command: &Command, word: &str) -> Result<Moment, ConsoleError> {
    if let Some(percent) = word.strip_suffix('%') {
        let per_mille = decimal(percent, 1).and_then(|number| u32::try_from(number).ok());
        let bad = || command.misuse(format!("{word:?} is no share: write 40% or 40.5%"));
        return Ok(Moment::PerMille(per_mille.ok_or_else(bad)?));
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        if let Some(ns) = run_time(word) {
            return Ok(Moment::RunTime(ns));
        }
        let position = word.parse().map_err(|err| command.misuse(format!("{err}")))?;
        return Ok(Moment::Position(position));
    }
    Ok(Moment::Bookmark(word.to_owned()))
}

/// `12.3s`, `250ms`, `2m` in nanoseconds.
fn run_time(word: &str) -> Option<u64> {
    let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = word.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        _ => return None,
    };
    // Millionths of the unit's thousandths: nanoseconds of a millisecond.
    decimal(number, 6)?.checked_mul(factor)
}

/// A decimal number, times ten to the power of `places`; none where it is no number or has more places.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > places {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}
