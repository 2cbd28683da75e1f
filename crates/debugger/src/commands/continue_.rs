//! `continue`: runs to the next hit, or to the end.

use retake_execution::{Direction, Execution};

use super::CommandInfo;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "continue",
    aliases: &["c"],
    usage: "continue",
    summary: "runs to the next hit, or to the end",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    INFO.no_args(args)?;
    debugger.run(Direction::Forward)
}
