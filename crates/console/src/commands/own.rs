//! What the console does itself.

use retake_debugger::{Request, Substitution};

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::{Asked, Begin, Change, NewTranscript, Shown};

pub(super) const SOURCE: Command = Command {
    name: "source",
    aliases: &[],
    usage: "source FILE",
    summary: "runs the commands in a file, and stops at the first that fails; sets the breakpoints of a .json file",
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

pub(super) const EXPECT: Command = Command {
    name: "expect",
    aliases: &[],
    usage: "expect TEXT | output TEXT",
    summary: "fails unless the answer of the command before contains a text, or the program had printed it until now",
    words: Words::These(&["output"]),
    parse: expect,
};

fn expect(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (first, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    if first == "output" && !rest.is_empty() {
        let text = command.text(rest.trim())?;
        return Ok(Asked::Request(Request::ExpectOutput(text), Shown::Assertion(args.to_owned())));
    }
    if args.is_empty() {
        return Err(command.misuse("a text is missing"));
    }
    Ok(Asked::Expect(command.text(args)?))
}

pub(super) const CONFIG: Command = Command {
    name: "config",
    aliases: &[],
    usage: "config [-list] | NAME VALUE | alias COMMAND NAME | substitute-path FROM [TO]",
    summary: "shows or changes how this debugger shows things: source-list-line-count, aliases, where sources are now; \
              calls-run all lets other threads run in call",
    words: Words::These(&[
        "-list",
        "alias",
        "calls-run",
        "source-list-line-count",
        "substitute-path",
    ]),
    parse: config,
};

fn config(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let words = words(command, args)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match words[..] {
        [] | ["-list"] => Asked::Config(Change::Nothing),
        ["substitute-path", from] => substitute(from, None),
        ["substitute-path", from, to] => substitute(from, Some(to)),
        ["alias", name] => Asked::Config(Change::Unalias(name.to_owned())),
        ["alias", of, name] => {
            let of = super::known(of)?.name;
            Asked::Config(Change::Alias { of, name: name.to_owned() })
        }
        [name, value] => Asked::Config(Change::Set(name.to_owned(), value.to_owned())),
        _ => return Err(command.misuse(format!("{args:?} is no setting"))),
    })
}

fn substitute(from: &str, to: Option<&str>) -> Asked {
    let (from, to) = (from.to_owned(), to.map(str::to_owned));
    Asked::plainly(Request::Substitute(Substitution { from, to }))
}

/// Words, of which some may be in quotes.
fn words(command: &Command, args: &str) -> Result<Vec<String>, ConsoleError> {
    let (mut all, mut rest) = (Vec::new(), args.trim_start());
    while !rest.is_empty() {
        let end = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').map_or(rest.len(), |end| end + 2),
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        all.push(command.text(word)?);
        rest = after.trim_start();
    }
    Ok(all)
}

pub(super) const TRANSCRIPT: Command = Command {
    name: "transcript",
    aliases: &[],
    usage: "transcript [-t] FILE | -off",
    summary: "appends commands and their answers to a file (-t: to an empty one), until -off",
    words: Words::Files,
    parse: transcript,
};

fn transcript(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (first, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    Ok(Asked::Transcript(match (first, rest.trim()) {
        ("", _) => return Err(command.misuse("a file is missing")),
        ("-off", "") => None,
        ("-t", "") => return Err(command.misuse("a file is missing")),
        ("-t", file) => Some(NewTranscript { file: file.to_owned(), begin: Begin::Empty }),
        _ => Some(NewTranscript { file: args.to_owned(), begin: Begin::AtItsEnd }),
    }))
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
