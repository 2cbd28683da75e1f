//! `clear`: removes breakpoints.

use retake_execution::Execution;

use super::CommandInfo;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "clear",
    aliases: &[],
    usage: "clear BREAKPOINT... | all",
    summary: "removes breakpoints",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    let removed = match args {
        "" => return Err(INFO.misuse("a breakpoint is missing")),
        "all" => debugger.breakpoints.remove_all(),
        _ => {
            let ids = args.split_whitespace().map(|word| super::breakpoint_id(&INFO, word));
            let ids = ids.collect::<Result<Vec<_>, _>>()?;
            // All or none: the second may not exist.
            for &id in &ids {
                debugger.breakpoints.get(id)?;
            }
            let removed = ids.into_iter().map(|id| debugger.breakpoints.remove(id));
            removed.collect::<Result<_, _>>()?
        }
    };
    let views = removed.iter().map(|breakpoint| super::breakpoint_view(debugger, breakpoint));
    Ok(Output::Cleared(views.collect()))
}
