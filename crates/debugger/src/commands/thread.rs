//! `thread`: selects the task that commands look at.

use retake_execution::Execution;

use super::{CommandInfo, threads};
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "thread",
    aliases: &["tr"],
    usage: "thread N",
    summary: "selects the thread that other commands look at, until the next movement",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    let n: u32 = INFO.number(args)?;
    let tasks = debugger.execution.tasks();
    let found = tasks
        .iter()
        .find(|info| info.task.get() == n)
        .or_else(|| tasks.iter().find(|info| u32::try_from(info.tid.get()) == Ok(n)))
        .ok_or_else(|| DebugError::NotFound(format!("there is no thread {n} at this moment")))?;
    debugger.selected = Some(found.task);
    Ok(Output::Thread(threads::view(debugger, found)))
}
