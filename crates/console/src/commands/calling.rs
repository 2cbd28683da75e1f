//! What would change a program that runs.

use retake_debugger::expr::Expression;
use retake_debugger::{CallRequest, CallThreads, Request};

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const CALL: Command = Command {
    name: "call",
    aliases: &[],
    usage: "call FUNCTION(ARGUMENT, ...) | *ADDRESS(ARGUMENT, ...)",
    summary: "calls a function in a copy of the program as it is here, with up to six integers, nine in Go; the recording stays \
              as it is; after `config calls-run all` the other threads run too",
    words: Words::Places,
    parse: call,
};

fn call(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let open = || command.misuse(format!("{args:?} is no call"));
    let whole = args.strip_suffix(')').ok_or_else(open)?;
    let at = opening(whole).ok_or_else(open)?;
    let (function, arguments) = (whole[..at].trim(), &whole[at + 1..]);
    if function.is_empty() {
        return Err(command.misuse("a function is missing"));
    }
    let mut parsed: Vec<Expression> = Vec::new();
    if !arguments.trim().is_empty() {
        for argument in split(arguments) {
            parsed.push(argument.trim().parse()?);
        }
    }
    let function = function.parse()?;
    Ok(Asked::plainly(Request::Call(CallRequest {
        function,
        arguments: parsed,
        // The console says that, which knows its settings.
        threads: CallThreads::default(),
    })))
}

/// The call that a text is, if it is one of a function by its name.
pub(super) fn called(text: &str) -> Option<Asked> {
    let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    call(&CALL, text).ok().filter(|_| begins)
}

/// Where the parenthesis opens that the last one closes.
fn opening(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' if depth == 0 => return Some(at),
            '(' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// At commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

pub(super) const SET: Command = Command {
    name: "set",
    aliases: &[],
    usage: "set",
    summary: "changes nothing: a recording is what happened (call tries something out in a copy)",
    words: Words::NONE,
    parse: |_, _| Err(ConsoleError::NoChange),
};
