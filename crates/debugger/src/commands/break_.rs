//! `break`: sets a breakpoint.

use retake_execution::Execution;

use super::CommandInfo;
use super::names::DebuggerNames;
use crate::breakpoint::Place;
use crate::expr;
use crate::location::{Found, Location};
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "break",
    aliases: &["b"],
    usage: "break FUNCTION | FILE:LINE | /REGEX/ | *ADDRESS",
    summary: "sets a breakpoint, in every process and at every time",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    if args.is_empty() {
        return Err(INFO.misuse("a location is missing"));
    }
    let location = Location::parse(args)?;
    let places = if let Location::Address(text) = &location {
        let expr = expr::parse(text)?;
        vec![Place::Absolute(expr::evaluate_address(&expr, &mut DebuggerNames(debugger))?)]
    } else {
        let found = location.resolve(&debugger.execution, &debugger.catalog)?;
        found.iter().map(Found::place).collect()
    };
    let set = debugger.breakpoints.add(args, places).clone();
    Ok(Output::Set(vec![super::breakpoint_view(debugger, &set)]))
}
