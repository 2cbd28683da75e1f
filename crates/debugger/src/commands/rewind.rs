//! `rewind`: runs back to the previous hit, or to the start.

use retake_execution::{Direction, Execution};

use super::CommandInfo;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "rewind",
    aliases: &["rw"],
    usage: "rewind",
    summary: "runs back to the previous hit, or to the start",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    INFO.no_args(args)?;
    debugger.run(Direction::Backward)
}
