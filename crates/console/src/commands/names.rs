//! Names of functions, types, source files and libraries; gdb's word for all that can be listed.

use retake_debugger::{NamesOf, NamesRequest, Request};

use super::{Command, Words};
use crate::ConsoleError;
use crate::asked::Asked;

/// More are counted.
const MOST: usize = 200;

pub(super) const FUNCS: Command = Command {
    name: "funcs",
    aliases: &["functions"],
    usage: "funcs [PATTERN]",
    summary: "lists the functions whose names match a regular expression: the program's own, else the system's",
    words: Words::Places,
    parse: |_, args| Ok(names(NamesOf::Functions, args)),
};

pub(super) const TYPES: Command = Command {
    name: "types",
    aliases: &[],
    usage: "types [PATTERN]",
    summary: "lists the types whose names match a regular expression (whatis shows one with its fields)",
    words: Words::NONE,
    parse: |_, args| Ok(names(NamesOf::Types, args)),
};

pub(super) const SOURCES: Command = Command {
    name: "sources",
    aliases: &[],
    usage: "sources [PATTERN]",
    summary: "lists the source files whose paths match a regular expression",
    words: Words::NONE,
    parse: |_, args| Ok(names(NamesOf::Sources, args)),
};

pub(super) const LIBRARIES: Command = Command {
    name: "libraries",
    aliases: &["sharedlibrary"],
    usage: "libraries [PATTERN]",
    summary: "lists the program and its libraries: where they are at this moment, and what is known of them",
    words: Words::NONE,
    parse: |_, args| Ok(names(NamesOf::Libraries, args)),
};

fn names(of: NamesOf, pattern: &str) -> Asked {
    let pattern = (!pattern.is_empty()).then(|| pattern.to_owned());
    Asked::plainly(Request::Names(NamesRequest { of, pattern, most: MOST }))
}

/// What gdb calls things that can be listed, and the command that lists them here.
const THINGS: &[(&str, &str)] = &[
    ("locals", "locals"),
    ("args", "args"),
    ("variables", "vars"),
    ("functions", "funcs"),
    ("types", "types"),
    ("sources", "sources"),
    ("sharedlibrary", "libraries"),
    ("breakpoints", "breakpoints"),
    ("watchpoints", "watches"),
    ("display", "display"),
    ("registers", "regs"),
    ("threads", "threads"),
    ("goroutines", "goroutines"),
    ("checkpoints", "checkpoints"),
    ("frame", "frame"),
    ("stack", "stack"),
    ("line", "list"),
    ("source", "list"),
];

pub(super) const INFO: Command = Command {
    name: "info",
    aliases: &["i"],
    usage: "info locals | args | variables | functions | types | sources | sharedlibrary | breakpoints | registers | \
            threads | frame | stack [WORDS]",
    summary: "gdb's word for what other commands show: info locals is locals",
    words: Words::These(&[
        "locals",
        "args",
        "variables",
        "functions",
        "types",
        "sources",
        "sharedlibrary",
        "breakpoints",
        "registers",
        "threads",
        "frame",
        "stack",
    ]),
    parse: info,
};

fn info(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (what, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    // gdb takes any beginning.
    let found = THINGS.iter().find(|(name, _)| !what.is_empty() && name.starts_with(what));
    let Some((_, own)) = found else {
        return Err(command.misuse(format!("{what:?} is nothing that can be listed")));
    };
    super::parse(&format!("{own} {}", rest.trim()))
}
