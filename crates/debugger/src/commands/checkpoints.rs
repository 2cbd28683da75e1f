//! `checkpoints`: the checkpoints of the recording.

use retake_execution::{CheckpointInfo, Execution};

use super::CommandInfo;
use crate::output::CheckpointView;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "checkpoints",
    aliases: &[],
    usage: "checkpoints",
    summary: "lists the checkpoints of the recording",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    INFO.no_args(args)?;
    let view = |checkpoint: CheckpointInfo| CheckpointView {
        checkpoint: checkpoint.index.get(),
        event: checkpoint.event.get(),
        run_time_ns: checkpoint.run_time_ns,
    };
    let all = debugger.execution.checkpoints();
    Ok(Output::Checkpoints(all.into_iter().map(view).collect()))
}
