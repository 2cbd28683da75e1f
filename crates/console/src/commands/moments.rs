//! Where in the recording this is.

use retake_debugger::Request;

use super::{Command, Words};

pub(super) const WHEN: Command = Command {
    name: "when",
    aliases: &[],
    usage: "when",
    summary: "says which moment of the recording this is",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::When),
};

pub(super) const CHECKPOINTS: Command = Command {
    name: "checkpoints",
    aliases: &[],
    usage: "checkpoints",
    summary: "lists the checkpoints of the recording",
    words: Words::NONE,
    parse: |command, args| command.alone(args, Request::Checkpoints),
};
