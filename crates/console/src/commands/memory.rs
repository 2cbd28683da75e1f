//! Memory, and expressions over it.

use retake_debugger::expr::Expression;
use retake_debugger::{Access, MemoryRange, NewWatch, Request};

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::{Asked, Format, Shown};

pub(super) const EXAMINEMEM: Command = Command {
    name: "examinemem",
    aliases: &["x"],
    usage: "examinemem [-fmt hex|dec|oct|bin|raw] [-count N] [-size 1..8] ADDRESS",
    summary: "shows memory; the address may be an expression",
    words: Words::Expressions(&["-fmt", "-count", "-size"]),
    parse: examine,
};

fn examine(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (mut format, mut count, mut size, mut rest) = (Format::Hex, 1_usize, 1_usize, args);
    // `-8+$rsp` would be an address, so only known options are options.
    while let Some((option, after)) = option(rest) {
        let (value, after) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
        match option {
            "-fmt" => format = format_of(command, value)?,
            "-size" => size = command.number(value)?,
            "-x" => {
                rest = rest.trim_start_matches("-x").trim_start();
                break;
            }
            _ => count = command.number(value)?,
        }
        rest = after.trim_start();
    }
    if rest.is_empty() {
        return Err(command.misuse("an address is missing"));
    }
    if !(1..=8).contains(&size) {
        return Err(command.misuse("the size must be 1 to 8"));
    }
    if count == 0 {
        return Err(command.misuse("the count must be at least 1"));
    }
    let max = MemoryRange::MAX_LEN;
    let len = count.checked_mul(size).filter(|&len| 0 < len && len <= max);
    let len = len.ok_or_else(|| command.misuse(format!("at most {max} bytes are shown")))?;
    let addr: Expression = rest.parse()?;
    Ok(Asked::Request(Request::Memory(MemoryRange { addr, len }), Shown::Items { size, format }))
}

/// The option that comes next, and what follows it.
fn option(text: &str) -> Option<(&str, &str)> {
    let (word, after) = text.split_once(char::is_whitespace)?;
    let known = ["-fmt", "-count", "-len", "-size", "-x"];
    known.contains(&word).then(|| (word, after.trim_start()))
}

fn format_of(command: &Command, name: &str) -> Result<Format, ConsoleError> {
    Ok(match name {
        "hex" | "hexadecimal" => Format::Hex,
        "dec" | "decimal" => Format::Dec,
        "oct" | "octal" => Format::Oct,
        "bin" | "binary" => Format::Bin,
        "raw" => Format::Raw,
        _ => return Err(command.misuse(format!("{name:?} is not a format"))),
    })
}

/// What an expression can begin with.
const BEGINNINGS: Words = Words::Expressions(&["$hits(", "$event", "$task"]);

pub(super) const WATCH: Command = Command {
    name: "watch",
    aliases: &[],
    usage: "watch [-w | -rw] [-size N] VARIABLE | ADDRESS",
    summary: "stops at writes (or all accesses) of a variable, or of memory at an address (also one that a pointer has): \
              8 bytes at most, or as many as are said",
    words: Words::Expressions(&["-w", "-rw", "-size"]),
    parse: watch,
};

pub(super) const WATCHES: Command = Command {
    name: "watches",
    aliases: &[],
    usage: "watches",
    summary: "lists the watches",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Watches),
};

pub(super) const UNWATCH: Command = Command {
    name: "unwatch",
    aliases: &[],
    usage: "unwatch WATCH",
    summary: "removes a watch",
    words: Words::NONE,
    parse: |command, args| Ok(Asked::plainly(Request::ClearWatch { id: command.number(args)? })),
};

pub(super) const LAST: Command = Command {
    name: "last",
    aliases: &[],
    usage: "last [-size N] VARIABLE | ADDRESS",
    summary: "goes back to the last write to a variable, or to memory at an address (also one that a pointer has): 8 \
              bytes at most, or as many as are said",
    words: Words::Expressions(&["-size"]),
    parse: |command, args| {
        let (memory, _) = watched(command, args)?;
        Ok(Asked::plainly(Request::Last(memory)))
    },
};

fn watch(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (memory, access) = watched(command, args)?;
    Ok(Asked::plainly(Request::Watch(NewWatch { memory, access })))
}

/// Memory and the accesses of it that count.
fn watched(command: &Command, args: &str) -> Result<(MemoryRange, Access), ConsoleError> {
    let (mut access, mut len, mut rest) = (Access::Write, 8, args);
    loop {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match word {
            "-w" => access = Access::Write,
            "-rw" => access = Access::ReadWrite,
            "-size" => {
                let (value, behind) =
                    after.trim().split_once(char::is_whitespace).unwrap_or((after, ""));
                len = command.number(value)?;
                rest = behind.trim_start();
                continue;
            }
            _ => break,
        }
        rest = after.trim_start();
    }
    if rest.is_empty() || len == 0 || len > MemoryRange::MAX_LEN {
        return Err(command.misuse("an address and a size of some bytes are needed"));
    }
    Ok((MemoryRange { addr: rest.parse()?, len }, access))
}

pub(super) const ASSERT: Command = Command {
    name: "assert",
    aliases: &[],
    usage: "assert EXPRESSION",
    summary: "fails unless the expression holds, such as $hits(1) == 3 && *(u32)($rsp+8) > 0",
    words: BEGINNINGS,
    parse: assert,
};

fn assert(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let request = Request::Assert(expression(command, args)?);
    Ok(Asked::Request(request, Shown::Assertion(args.to_owned())))
}

fn expression(command: &Command, args: &str) -> Result<Expression, ConsoleError> {
    if args.is_empty() {
        return Err(command.misuse("an expression is missing"));
    }
    Ok(args.parse()?)
}
