//! `when`: the current moment.

use retake_execution::Execution;

use super::CommandInfo;
use crate::output::WhenView;
use crate::{DebugError, Debugger, Output};

pub(super) const INFO: CommandInfo = CommandInfo {
    name: "when",
    aliases: &[],
    usage: "when",
    summary: "says which moment of the recording this is",
};

pub(super) fn run<E: Execution>(
    debugger: &mut Debugger<E>,
    args: &str,
) -> Result<Output, DebugError> {
    INFO.no_args(args)?;
    let execution = &debugger.execution;
    let (position, count) = (execution.position(), execution.event_count());
    let describe = |event| execution.describe_event(event).map(|text| format!("{event}: {text}"));
    let previous = position.event().previous().map(describe).transpose()?;
    let next = (position.event() < count).then(|| describe(position.event())).transpose()?;
    Ok(Output::When(WhenView {
        position: position.to_string(),
        events: count.get(),
        task: execution.current_task(),
        place: debugger.place_of(execution.current_task()),
        previous_event: previous,
        next_event: next,
    }))
}
