//! Where in the recording this is.

use retake_execution::CheckpointInfo;

use crate::answers::{CheckpointView, EventView, WhenView};
use crate::{Answer, DebugError, Debugger};

pub(super) fn when(debugger: &Debugger) -> Result<Answer, DebugError> {
    let execution = debugger.execution.as_ref();
    let (position, events) = (execution.position(), execution.event_count());
    let describe = |event| {
        let what = execution.describe_event(event)?;
        Ok::<_, DebugError>(EventView { event, what })
    };
    let next = position.event();
    Ok(Answer::When(WhenView {
        position,
        events,
        task: execution.current_task(),
        place: debugger.place_of(execution.current_task()),
        previous_event: next.previous().map(describe).transpose()?,
        next_event: (next < events).then(|| describe(next)).transpose()?,
    }))
}

pub(super) fn checkpoints(debugger: &Debugger) -> Answer {
    let view = |checkpoint: CheckpointInfo| CheckpointView {
        checkpoint: checkpoint.index,
        event: checkpoint.event,
        run_time_ns: checkpoint.run_time_ns,
    };
    Answer::Checkpoints(debugger.execution.checkpoints().into_iter().map(view).collect())
}
