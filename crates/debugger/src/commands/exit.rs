//! `exit`: leaves the debugger.

use retake_execution::Execution;

use super::CommandInfo;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "exit",
    aliases: &["quit", "q"],
    usage: "exit",
    summary: "leaves the debugger; the session can be resumed",
};

pub(super) fn run<E: Execution>(
    _debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    INFO.no_args(args)?;
    Ok(Output::Exit)
}
