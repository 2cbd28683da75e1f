//! Variables and expressions.

use retake_debugger::expr::Expression;
use retake_debugger::{
    Chosen, Detail, HitValuesRequest, NumberText, PageRequest, PrintRequest, Request,
    VariablesRequest, Which,
};

use super::{Command, Words, breakpoints, calling};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const PRINT: Command = Command {
    name: "print",
    aliases: &["p", "inspect"],
    usage: "print [-format hex|dec|oct|bin] [-frame N] [-page FROM..TO] EXPRESSION",
    summary: "shows a value: variables and their parts (a.b, p->x, *p, &x, a[3], a[1:4], len(a), sizeof(a), (T *)p), registers \
              ($rax), memory (*(u32)ADDRESS); f(x) is called in a copy of the program, as call does",
    words: Words::Expressions(&["-format", "-frame", "-page"]),
    parse: |command, args| match request(command, args) {
        Ok(request) => Ok(Asked::plainly(Request::Print(request))),
        // `f(x)` is no expression, but can be called.
        Err(err) => calling::called(args).ok_or(err),
    },
};

pub(super) const WHATIS: Command = Command {
    name: "whatis",
    aliases: &["ptype"],
    usage: "whatis [-frame N] EXPRESSION",
    summary: "shows the type of an expression, with its fields",
    words: Words::Expressions(&["-frame"]),
    parse: |command, args| Ok(Asked::plainly(Request::WhatIs(request(command, args)?))),
};

pub(super) const LOCALS: Command = Command {
    name: "locals",
    aliases: &[],
    usage: "locals [-v] [-frame N] [PATTERN]",
    summary: "shows the local variables of the selected thread's function, those whose names match a regular expression",
    words: Words::These(&["-frame"]),
    parse: |command, args| variables(command, args, Which::Locals),
};

pub(super) const ARGS: Command = Command {
    name: "args",
    aliases: &[],
    usage: "args [-v] [-frame N] [PATTERN]",
    summary: "shows the arguments of the selected thread's function",
    words: Words::These(&["-frame"]),
    parse: |command, args| variables(command, args, Which::Arguments),
};

pub(super) const VARS: Command = Command {
    name: "vars",
    aliases: &[],
    usage: "vars [-v] [PATTERN]",
    summary: "shows the variables outside of functions of the module that the selected thread is in",
    words: Words::NONE,
    parse: |command, args| variables(command, args, Which::Globals),
};

/// An option that comes next and takes a word: its name, the word, and what follows.
fn option<'a>(text: &'a str, known: &[&str]) -> Option<(&'a str, &'a str, &'a str)> {
    let (name, after) = text.split_once(char::is_whitespace)?;
    known.contains(&name).then_some(())?;
    let after = after.trim_start();
    let (value, rest) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
    Some((name, value, rest.trim_start()))
}

fn request(command: &Command, args: &str) -> Result<PrintRequest, ConsoleError> {
    let (mut frame, mut numbers, mut page, mut rest) = (None, NumberText::Natural, None, args);
    loop {
        if let Some((name, value, after)) = option(rest, &["-format", "-fmt", "-frame", "-page"]) {
            match name {
                "-frame" => frame = Some(command.number(value)?),
                "-page" => page = Some(page_of(command, value)?),
                _ => numbers = format_of(command, value)?,
            }
            rest = after;
            continue;
        }
        // Delve's `%x`, gdb's `/x`; the latter is joined to the command sometimes.
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match word.strip_prefix(['%', '/']) {
            Some(letter) if !after.is_empty() => {
                numbers = format_of(command, letter)?;
                rest = after.trim_start();
            }
            _ => break,
        }
    }
    if rest.is_empty() {
        return Err(command.misuse("an expression is missing"));
    }
    Ok(PrintRequest { expression: rest.parse()?, frame, numbers, page })
}

fn format_of(command: &Command, name: &str) -> Result<NumberText, ConsoleError> {
    Ok(match name {
        "hex" | "x" | "hexadecimal" => NumberText::Hex,
        "dec" | "d" | "decimal" => NumberText::Dec,
        "oct" | "o" | "octal" => NumberText::Oct,
        "bin" | "b" | "t" | "binary" => NumberText::Bin,
        _ => return Err(command.misuse(format!("{name:?} is not a format"))),
    })
}

/// `FROM..TO`: elements counted from 0, as in the program.
fn page_of(command: &Command, text: &str) -> Result<PageRequest, ConsoleError> {
    let (from, to) = text.split_once("..").ok_or_else(|| command.misuse("a page is FROM..TO"))?;
    let from: usize = command.number(from)?;
    let limit = match to {
        "" => None,
        to => {
            let to: usize = command.number(to)?;
            let limit = to.checked_sub(from);
            Some(limit.ok_or_else(|| command.misuse(format!("{to} comes before {from}")))?)
        }
    };
    Ok(PageRequest { from, limit })
}

fn variables(command: &Command, args: &str, which: Which) -> Result<Asked, ConsoleError> {
    let (mut frame, mut rest) = (None, args);
    loop {
        if let Some((_, value, after)) = option(rest, &["-frame"]) {
            frame = Some(command.number(value)?);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("-v") {
            // Types are in the JSON form; values are always shown.
            rest = after.trim_start();
        } else {
            break;
        }
    }
    let pattern = (!rest.is_empty()).then(|| rest.to_owned());
    Ok(Asked::plainly(Request::Variables(VariablesRequest { which, pattern, frame })))
}

/// `[-full] [DEPTH]`
pub(super) fn stack(command: &Command, args: &str, depth: usize) -> Result<Asked, ConsoleError> {
    let (mut detail, mut rest) = (Detail::Places, args);
    if let Some(after) = args.strip_prefix("-full").or_else(|| args.strip_prefix("full")) {
        (detail, rest) = (Detail::Full, after.trim());
    }
    let depth = if rest.is_empty() { depth } else { command.number(rest)? };
    Ok(Asked::plainly(Request::Stack { depth, detail }))
}

/// `[BREAKPOINT...] [--all | FROM..TO] print EXPRESSION, ... [if CONDITION]`; none if there is no `print`.
pub(super) fn hit_values(command: &Command, args: &str) -> Result<Option<Request>, ConsoleError> {
    let padded = format!(" {args}");
    let Some((before, after)) = padded.split_once(" print ") else { return Ok(None) };
    let (values, condition) = match after.rsplit_once(" if ") {
        Some((values, condition)) => (values, Some(condition.trim().parse()?)),
        None => (after, None),
    };
    let (of, page) = breakpoints::chosen_hits(command, before)?;
    let page = page.unwrap_or_default();
    let values = expressions(values)?;
    if values.is_empty() {
        return Err(command.misuse("an expression is missing"));
    }
    let request = HitValuesRequest { of, page, condition, values };
    Ok(Some(Request::HitValues(request)))
}

/// Expressions with commas between them.
pub(super) fn expressions(text: &str) -> Result<Vec<Expression>, ConsoleError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for part in at_commas(text) {
        found.push(part.trim().parse()?);
    }
    Ok(found)
}

/// The parts between commas that are in no brackets and no text.
fn at_commas(text: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut escaped, mut start) = (0_usize, None, false, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The breakpoints and the part of their hits that words name.
pub(super) type HitsChosen = (Chosen, Option<PageRequest>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_within_brackets_and_texts_do_not_cut() {
        assert_eq!(at_commas("a, b[1], f(c, d)"), ["a", " b[1]", " f(c, d)"]);
        assert_eq!(at_commas(r#"m["a,b"], x == "\",""#), [r#"m["a,b"]"#, r#" x == "\",""#]);
    }
}
