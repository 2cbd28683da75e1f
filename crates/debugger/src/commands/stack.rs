//! `stack`: the frames of the selected task.

use retake_execution::Execution;

use super::CommandInfo;
use crate::debugger::place_view;
use crate::output::FrameView;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "stack",
    aliases: &["bt"],
    usage: "stack [DEPTH]",
    summary: "shows the stack of the selected thread, innermost frame first",
};

/// As many frames as Delve shows.
pub(super) const DEPTH: usize = 50;

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    let depth = if args.is_empty() { DEPTH } else { INFO.number(args)? };
    Ok(Output::Stack(frames(debugger, depth)?))
}

/// The frames of the selected task, inlined ones included.
pub(super) fn frames<E: Execution>(
    debugger: &Debugger<E>,
    depth: usize,
) -> Result<Vec<FrameView>, DebugError> {
    let (execution, task) = (&debugger.execution, debugger.task());
    let registers = execution.program_registers(task)?;
    let found = debugger.catalog.unwind(execution, task, &registers, depth)?;
    let mut frames = Vec::new();
    for raw in found {
        let code = debugger.catalog.frames_at(execution, task, raw.lookup);
        let count = code.len().max(1);
        for index in 0..count {
            let place = place_view(raw.pc, code.get(index));
            frames.push(FrameView { n: frames.len(), place, inlined: index + 1 < count });
        }
    }
    frames.truncate(depth);
    Ok(frames)
}
