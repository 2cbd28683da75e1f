//! Stopping at events.

use retake_debugger::{CatchKind, HandleSignal, Request, SignalAction};
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
        "output" => CatchKind::Output(command.text(rest)?),
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

pub(super) const HANDLE: Command = Command {
    name: "handle",
    aliases: &[],
    usage: "handle SIGNAL stop | nostop",
    summary: "has runs stop right before a signal takes effect, or go on (the program got it: that does not change)",
    words: Words::NONE,
    parse: handle,
};

fn handle(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let mut words = args.split_whitespace();
    let name = words.next().ok_or_else(|| command.misuse("a signal is missing"))?;
    let signal = signal(command, name)?;
    let mut action = None;
    for word in words {
        match word {
            "stop" => action = Some(SignalAction::Stop),
            "nostop" => action = Some(SignalAction::Pass),
            // gdb's other words: what is printed at a stop, and what the program gets.
            "print" | "noprint" | "pass" | "noignore" => {}
            "nopass" | "ignore" => return Err(ConsoleError::NoChange),
            _ => return Err(command.misuse(format!("{word:?} is nothing to do at a signal"))),
        }
    }
    let action = action.ok_or_else(|| command.misuse("stop or nostop is missing"))?;
    Ok(Asked::plainly(Request::Handle(HandleSignal { signal, action })))
}
