//! `threads`: the living tasks.

use retake_execution::{Execution, TaskInfo};

use super::CommandInfo;
use crate::output::ThreadView;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "threads",
    aliases: &[],
    usage: "threads",
    summary: "lists the threads that live at this moment",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    INFO.no_args(args)?;
    let tasks = debugger.execution.tasks();
    Ok(Output::Threads(tasks.iter().map(|task| view(debugger, task)).collect()))
}

/// A task for people.
pub(super) fn view<E: Execution>(debugger: &Debugger<E>, info: &TaskInfo) -> ThreadView {
    ThreadView {
        task: info.task,
        tid: info.tid,
        pid: info.pid,
        name: info.name.clone(),
        place: debugger.place_of(info.task),
        in_syscall: info.in_syscall.map(|call| call.get()),
        running: info.task == debugger.execution.current_task(),
        selected: info.task == debugger.task(),
    }
}
