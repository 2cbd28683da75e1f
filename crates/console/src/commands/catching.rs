//! Stopping at events.

use retake_debugger::{CatchKind, Request};
use retake_model::Signal;

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const CATCH: Command = Command {
    name: "catch",
    aliases: &[],
    usage: "catch syscall [NAME] | signal [NAME] | fork | exec | exit | throw | output TEXT",
    summary: "stops runs in both directions right before such an event: a system call, a signal, a new process, \
              another program, the end of a thread, an exception or panic, output with a text",
    words: Words::These(&["syscall", "signal", "fork", "exec", "exit", "throw", "output"]),
    parse: catch,
};

fn catch(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (kind, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let rest = rest.trim();
    let alone = |what| command.no_args(rest).map(|()| what);
    let what = match kind {
        "" => return Err(command.misuse("what is to be caught is missing")),
        "syscall" => CatchKind::Syscall((!rest.is_empty()).then(|| rest.to_owned())),
        "signal" => CatchKind::Signal(match rest {
            "" => None,
            name => Some(signal(command, name)?),
        }),
        "fork" => alone(CatchKind::Fork)?,
        "exec" => alone(CatchKind::Exec)?,
        "exit" => alone(CatchKind::Exit)?,
        "throw" => alone(CatchKind::Throw)?,
        "output" => CatchKind::Output(output(command, rest)?),
        _ => return Err(command.misuse(format!("{kind:?} cannot be caught"))),
    };
    Ok(Asked::plainly(Request::Catch(what)))
}

/// A signal, by its name or number.
fn signal(command: &Command, name: &str) -> Result<Signal, ConsoleError> {
    let by_number = name.parse().ok().and_then(|number| Signal::from_number(number).ok());
    let found = by_number.or_else(|| Signal::from_name(&name.to_ascii_uppercase()));
    found.ok_or_else(|| {
        command.misuse(format!("{name:?} is not a signal: write a name such as SEGV, or 1 to 64"))
    })
}

/// A text as it is, or in quotes with `\n`, `\t`, `\"` and `\\`.
fn output(command: &Command, text: &str) -> Result<String, ConsoleError> {
    let Some(quoted) = text.strip_prefix('"') else { return Ok(text.to_owned()) };
    let open = || command.misuse("the text ends within its quotes");
    let quoted = quoted.strip_suffix('"').ok_or_else(open)?;
    let (mut out, mut chars) = (String::new(), quoted.chars());
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next().ok_or_else(open)? {
                'n' => '\n',
                't' => '\t',
                other => other,
            },
            other => other,
        });
    }
    Ok(out)
}
