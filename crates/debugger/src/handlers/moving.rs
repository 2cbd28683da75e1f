//! Movements.

use std::sync::atomic::Ordering;

use retake_execution::{self as execution, Direction, Site, SiteId, Stop};
use retake_model::{CheckpointIndex, Position, Predicate};

use super::{breakpoints, hits, opening, output, times};
use crate::answers::{EventView, StopReason, StopView};
use crate::breakpoint::{Owner, Place};
use crate::requests::{Moment, RunTo, Scope, StepKind, StepRequest};
use crate::running::RunEnd;
use crate::{Answer, DebugError, Debugger, RequestControl};

/// Runs to the next stop in a direction.
pub(super) fn run(debugger: &mut Debugger, direction: Direction) -> Result<Answer, DebugError> {
    let end = debugger.run_on(direction, Vec::new())?;
    ended(debugger, &end)
}

/// Runs the selected task to a location, unless something else comes first.
pub(super) fn run_to(
    debugger: &mut Debugger,
    to: &RunTo,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let task = debugger.task();
    let places = breakpoints::places(debugger, &to.location, control)?;
    let site = |place: Place| Site {
        id: SiteId::new(0),
        target: place.target(),
        when: Some(Predicate::Task(task)),
    };
    let mut asked = vec![(Owner::Asked, places.into_iter().map(site).collect())];
    if to.scope == Scope::Function {
        asked.push((Owner::FrameEnd, debugger.frame_end(task, to.direction)?));
    }
    let end = debugger.run_on(to.direction, asked)?;
    ended(debugger, &end)
}

/// Steps the selected task; if that fails on the way, it is where it was.
pub(super) fn step(
    debugger: &mut Debugger,
    request: &StepRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let before = debugger.execution.position();
    let stepped = step_or_stop(debugger, request, control);
    if stepped.is_err() && debugger.execution.position() != before {
        // The way back is not to be interrupted by what has ended the step.
        debugger.execution.interrupter().store(false, Ordering::SeqCst);
        debugger.execution.seek(before)?;
    }
    stepped
}

fn step_or_stop(
    debugger: &mut Debugger,
    request: &StepRequest,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let before = debugger.execution.position();
    let stop = debugger.step(request, control)?;
    // A breakpoint on the way ends a step, of whichever thread.
    let may_pass = request.kind != StepKind::Instruction || request.count.get() > 1;
    if may_pass
        && !control.is_cancelled()
        && let Some(end) = debugger.stop_between(before, request.direction)?
    {
        return ended(debugger, &end);
    }
    let task = stop.task;
    let answer = stopped(debugger, &stop);
    // Others may run next: who was stepped stays the one to look at.
    if task != debugger.execution.current_task() {
        debugger.selected = Some(task);
    }
    Ok(answer)
}

/// Goes to a moment.
pub(super) fn seek(
    debugger: &mut Debugger,
    moment: &Moment,
    control: &RequestControl,
) -> Result<Answer, DebugError> {
    let to = match moment {
        Moment::Failure => {
            return opening::failure(debugger)?.ok_or_else(|| {
                DebugError::NotFound("the program did not fail: it exits with 0".to_owned())
            });
        }
        Moment::Opening => {
            if let Some(failure) = opening::failure(debugger)? {
                return Ok(failure);
            }
            return go(debugger, opening::main);
        }
        Moment::Main => return go(debugger, opening::main),
        Moment::Output { text, n } => {
            return go(debugger, |debugger| output::goto(debugger, text, *n));
        }
        Moment::Bookmark(name) => debugger.bookmarks.find(name)?.position,
        Moment::Clock(time) => times::clock(debugger, *time)?,
        Moment::RunTime(ns) => times::run_time(debugger, *ns)?,
        Moment::PerMille(share) => times::share(debugger, *share)?,
        Moment::Start => Position::START,
        Moment::End => Position::at_event(debugger.execution.event_count()),
        Moment::Event(event) => Position::at_event(*event),
        Moment::Checkpoint(index) => checkpoint(debugger, *index)?,
        Moment::Hit { breakpoint, n } => hits::nth(debugger, *breakpoint, *n, control)?.position,
        Moment::Position(position) => *position,
    };
    let stop = debugger.execution.seek(to)?;
    Ok(stopped(debugger, &stop))
}

/// Goes somewhere; if that fails on the way, it is where it was.
fn go(
    debugger: &mut Debugger,
    travel: impl FnOnce(&mut Debugger) -> Result<Stop, DebugError>,
) -> Result<Answer, DebugError> {
    let before = debugger.execution.position();
    match travel(debugger) {
        Ok(stop) => Ok(stopped(debugger, &stop)),
        Err(err) => {
            if debugger.execution.position() != before {
                debugger.execution.interrupter().store(false, Ordering::SeqCst);
                debugger.execution.seek(before)?;
            }
            Err(err)
        }
    }
}

fn checkpoint(debugger: &Debugger, index: CheckpointIndex) -> Result<Position, DebugError> {
    let all = debugger.execution.checkpoints();
    let found = all.iter().find(|checkpoint| checkpoint.index == index);
    found
        .map(|checkpoint| Position::at_event(checkpoint.event))
        .ok_or_else(|| DebugError::NotFound(format!("there is no checkpoint {index}")))
}

/// The end of a movement that no breakpoint ends.
pub(super) fn stopped(debugger: &mut Debugger, stop: &Stop) -> Answer {
    Answer::Stop(reached(debugger, stop))
}

/// The end of a movement; a site that is nobody's breakpoint is where somebody wanted to go.
pub(super) fn reached(debugger: &mut Debugger, stop: &Stop) -> StopView {
    let mut view = stop_view(debugger, stop);
    if view.reasons.is_empty() {
        view.reasons.push(StopReason::Reached);
    }
    view
}

fn stop_view(debugger: &mut Debugger, stop: &Stop) -> StopView {
    debugger.selected = None;
    debugger.parked = None;
    debugger.frame = 0;
    let place = debugger.place_of(stop.task);
    let reasons = stop.reasons.iter().filter_map(reason).collect();
    let (position, task) = (stop.position, stop.task);
    StopView {
        position,
        task,
        place,
        reasons,
        breakpoints: Vec::new(),
        catches: Vec::new(),
        event: None,
        failure: None,
        frame: None,
        line: None,
        displays: Vec::new(),
    }
}

/// The end of a run. Temporary breakpoints that ended it are gone.
fn ended(debugger: &mut Debugger, end: &RunEnd) -> Result<Answer, DebugError> {
    let mut view = stop_view(debugger, &end.stop);
    let mut wanted = Vec::new();
    for owner in &end.owners {
        match owner {
            Owner::Breakpoint(id) => view.breakpoints.push(*id),
            Owner::Catch(id) => view.catches.push(*id),
            Owner::Asked => wanted.push(StopReason::Reached),
            Owner::FrameEnd => wanted.push(StopReason::FrameEnd),
        }
    }
    if !view.catches.is_empty() {
        wanted.insert(0, StopReason::Catch);
        // The event that is caught, not its place, is where this was to go.
        view.reasons.retain(|reason| *reason != StopReason::Reached);
    }
    if !view.breakpoints.is_empty() {
        wanted.insert(0, StopReason::Breakpoint);
    }
    view.reasons.retain(|reason| !wanted.contains(reason));
    view.reasons.splice(0..0, wanted);
    debugger.breakpoints.remove_hit(&view.breakpoints);
    if let Some(event) = end.event.filter(|_| !view.catches.is_empty()) {
        let what = debugger.execution.describe_event(event)?;
        view.event = Some(EventView { event, what });
    }
    Ok(Answer::Stop(view))
}

/// Who wanted a site is known better from elsewhere.
fn reason(reason: &execution::StopReason) -> Option<StopReason> {
    Some(match reason {
        // No run of this debugger is asked to stop at signals.
        execution::StopReason::Reached | execution::StopReason::Signal(_) => StopReason::Reached,
        execution::StopReason::Site(_) => return None,
        execution::StopReason::Watch(_) => StopReason::Watch,
        execution::StopReason::Stepped => StopReason::Stepped,
        execution::StopReason::Start => StopReason::Start,
        execution::StopReason::End => StopReason::End,
        execution::StopReason::Fatal(signal) => StopReason::Fatal(*signal),
    })
}
