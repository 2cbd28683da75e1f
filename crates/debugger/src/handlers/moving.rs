//! Movements.

use retake_execution::{self as execution, Direction, RunPlan, Stop};
use retake_model::{CheckpointIndex, Position};

use super::hits;
use crate::answers::{StopReason, StopView};
use crate::breakpoint::SiteTable;
use crate::code::file_at;
use crate::requests::{Moment, StepRequest};
use crate::{Answer, DebugError, Debugger, RequestControl};

/// Runs to the next hit in a direction.
pub(super) fn run(debugger: &mut Debugger, direction: Direction) -> Result<Answer, DebugError> {
    let table = SiteTable::new(debugger.breakpoints.all());
    let watches = debugger.watches.of(debugger.task());
    let plan = RunPlan { watches: &watches, ..RunPlan::to_sites(direction, table.sites()) };
    let stop = debugger.execution.run(&plan, None)?;
    Ok(stopped(debugger, &stop))
}

/// Steps the selected task; if that fails on the way, it is where it was.
pub(super) fn step(
    debugger: &mut Debugger,
    request: &StepRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let before = debugger.execution.position();
    match debugger.step(request, control) {
        Ok(stop) => {
            let task = stop.task;
            let answer = stopped(debugger, &stop);
            // Others may run next: who was stepped stays the one to look at.
            if task != debugger.execution.current_task() {
                debugger.selected = Some(task);
            }
            Ok(answer)
        }
        Err(error) => {
            if debugger.execution.position() != before {
                debugger.execution.seek(before)?;
            }
            Err(error)
        }
    }
}

/// Goes to a moment.
pub(super) fn seek(
    debugger: &mut Debugger,
    moment: Moment,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let to = match moment {
        Moment::Start => Position::START,
        Moment::End => Position::at_event(debugger.execution.event_count()),
        Moment::Event(event) => Position::at_event(event),
        Moment::Checkpoint(index) => checkpoint(debugger, index)?,
        Moment::Hit { breakpoint, n } => hits::nth(debugger, breakpoint, n, control)?.position,
        Moment::Position(position) => position,
    };
    let stop = debugger.execution.seek(to)?;
    Ok(stopped(debugger, &stop))
}

fn checkpoint(debugger: &Debugger, index: CheckpointIndex) -> Result<Position, DebugError> {
    let all = debugger.execution.checkpoints();
    let found = all.iter().find(|checkpoint| checkpoint.index == index);
    found
        .map(|checkpoint| Position::at_event(checkpoint.event))
        .ok_or_else(|| DebugError::NotFound(format!("there is no checkpoint {index}")))
}

pub(super) fn stopped(debugger: &mut Debugger, stop: &Stop) -> Answer {
    debugger.selected = None;
    let place = debugger.place_of(stop.task);
    let reasons: Vec<StopReason> = stop.reasons.iter().map(reason).collect();
    let breakpoints = if reasons.contains(&StopReason::Breakpoint) {
        let code = file_at(debugger.execution.as_ref(), stop.task, place.pc);
        let table = SiteTable::new(debugger.breakpoints.all());
        let there = table.breakpoints(place.pc, code);
        table.holding(there, debugger.execution.state(), stop.task)
    } else {
        Vec::new()
    };
    let (position, task) = (stop.position, stop.task);
    Answer::Stop(StopView { position, task, place, reasons, breakpoints })
}

const fn reason(reason: &execution::StopReason) -> StopReason {
    match reason {
        // No run of this debugger is asked to stop at signals.
        execution::StopReason::Reached | execution::StopReason::Signal(_) => StopReason::Reached,
        execution::StopReason::Site(_) => StopReason::Breakpoint,
        execution::StopReason::Watch(_) => StopReason::Watch,
        execution::StopReason::Stepped => StopReason::Stepped,
        execution::StopReason::Start => StopReason::Start,
        execution::StopReason::End => StopReason::End,
        execution::StopReason::Fatal(signal) => StopReason::Fatal(*signal),
    }
}
