//! `breakpoints`: lists the breakpoints.

use retake_execution::Execution;

use super::CommandInfo;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "breakpoints",
    aliases: &["bp"],
    usage: "breakpoints",
    summary: "lists the breakpoints",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    INFO.no_args(args)?;
    let all = debugger.breakpoints.all().iter();
    let views = all.map(|breakpoint| super::breakpoint_view(debugger, breakpoint));
    Ok(Output::Breakpoints(views.collect()))
}
