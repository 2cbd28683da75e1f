//! Following a place over the whole recording.

use retake_debugger::{Request, TraceRequest};

use super::{Command, Words, breakpoints, values};
use crate::ConsoleError;
use crate::asked::Asked;

pub(super) const TRACE: Command = Command {
    name: "trace",
    aliases: &["t"],
    usage: "trace FUNCTION | FILE:LINE | /REGEX/ | *ADDRESS [thread N] [if CONDITION] [print EXPRESSION, ...]",
    summary: "prints every arrival over the whole recording, in order, with values as they were there",
    words: Words::Places,
    parse: trace,
};

fn trace(command: &Command, args: &str) -> Result<Asked, ConsoleError> {
    let (place, values) = match args.rsplit_once(" print ") {
        Some((place, values)) => (place.trim(), values.trim()),
        None => (args, ""),
    };
    let breakpoints::At { location, condition, thread } = breakpoints::at(command, place)?;
    let values = values::expressions(values)?;
    Ok(Asked::plainly(Request::Trace(TraceRequest { location, condition, thread, values })))
}
