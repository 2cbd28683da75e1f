//! Where in the recording this is.

use retake_execution::CheckpointInfo;

use super::times::{RunTimes, last_clock};
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
    let run_time_ns = RunTimes::of(debugger).at(next);
    Ok(Answer::When(WhenView {
        position,
        events,
        task: execution.current_task(),
        place: debugger.place_of(execution.current_task()),
        run_time_ns,
        per_mille: share_of_run(debugger),
        clock: last_clock(debugger, next)?,
        previous_event: next.previous().map(describe).transpose()?,
        next_event: (next < events).then(|| describe(next)).transpose()?,
    }))
}

/// How much of the run lies before the current moment, in thousandths.
pub(crate) fn share_of_run(debugger: &Debugger) -> Option<u32> {
    let times = RunTimes::of(debugger);
    let ns = times.at(debugger.execution.position().event())?;
    u32::try_from(u128::from(ns) * 1000 / u128::from(times.known_whole()?)).ok()
}

pub(super) fn checkpoints(debugger: &Debugger) -> Answer {
    let view = |checkpoint: CheckpointInfo| CheckpointView {
        checkpoint: checkpoint.index,
        event: checkpoint.event,
        run_time_ns: checkpoint.run_time_ns,
    };
    Answer::Checkpoints(debugger.execution.checkpoints().into_iter().map(view).collect())
}
