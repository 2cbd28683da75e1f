//! Steps: over instructions, source lines and functions, in both directions.
//!
//! A step ends at sites that are set for it, each with a predicate that holds only for the same task and
//! frame: recursion, other threads and signal handlers pass them without a stop. Frames around the one that
//! is left are watched too, as exceptions and `longjmp` lead there.

mod back;
mod frames;
mod instructions;
mod lines;
mod sites;

use std::num::NonZeroU64;

use retake_execution::{Direction, RunPlan, Site, Stop, StopReason};
use retake_model::TaskId;

use crate::requests::{StepKind, StepRequest};
use crate::{DebugError, Debugger, RequestControl};
use frames::Frame;
use sites::StepSites;

/// How a part of a step ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    /// Where it was to.
    Done(Stop),
    /// Somewhere else: at an end of the recording, or a fatal signal.
    Elsewhere(Stop),
}

impl Debugger {
    /// Steps so often, or up to something that ends the run.
    pub(crate) fn step(
        &mut self,
        request: &StepRequest,
        control: &RequestControl,
    ) -> Result<Stop, DebugError> {
        let task = self.task();
        let mut left = request.count.get();
        loop {
            let ended = match (request.kind, request.direction) {
                (StepKind::Instruction, direction) => {
                    return self.instructions(task, direction, request.count);
                }
                (StepKind::NextInstruction, Direction::Forward) => self.next_instruction(task)?,
                (StepKind::NextInstruction, Direction::Backward) => {
                    self.previous_instruction(task)?
                }
                (StepKind::Next, Direction::Forward) => self.next_line(task)?,
                (StepKind::Step, Direction::Forward) => self.step_line(task)?,
                (StepKind::Out, Direction::Forward) => self.out_of_function(task)?,
                (StepKind::Next, Direction::Backward) => self.previous_line(task)?,
                (StepKind::Step, Direction::Backward) => self.back_into_line(task)?,
                (StepKind::Out, Direction::Backward) => self.back_to_call(task)?,
            };
            left -= 1;
            let stop = match ended {
                Ended::Done(stop) if left > 0 => {
                    if control.is_cancelled() {
                        return Ok(stop);
                    }
                    continue;
                }
                Ended::Done(stop) | Ended::Elsewhere(stop) => stop,
            };
            return Ok(stop);
        }
    }

    /// Where the innermost function of a task ends: behind its call, or at a statement of a frame around, if
    /// an exception or a jump leads there. Backwards, where it begins.
    pub(crate) fn frame_end(
        &self,
        task: TaskId,
        direction: Direction,
    ) -> Result<Vec<Site>, DebugError> {
        let frames = self.frames(task)?;
        let mut sites = StepSites::default();
        match (direction, &frames[..]) {
            (Direction::Forward, [inner, caller, ..]) => {
                sites.return_of(task, inner, caller);
                lines::outside(&mut sites, task, &frames);
            }
            (Direction::Backward, [Frame { code: Some(code), cfa: Some(cfa), .. }, ..]) => {
                sites.entry(task, code, *cfa);
            }
            _ => {}
        }
        if sites.sites.is_empty() {
            let what =
                "where this function ends is not known: use advance, which goes on behind it";
            return Err(DebugError::NotFound(what.to_owned()));
        }
        Ok(sites.sites)
    }

    /// So many instructions.
    pub(crate) fn instructions(
        &mut self,
        task: TaskId,
        direction: Direction,
        count: NonZeroU64,
    ) -> Result<Stop, DebugError> {
        Ok(self.execution.run(&RunPlan::steps(direction, task, count), None)?)
    }

    /// One instruction.
    fn one(&mut self, task: TaskId, direction: Direction) -> Result<Ended, DebugError> {
        let stop = self.instructions(task, direction, NonZeroU64::MIN)?;
        let done = stop.reasons.contains(&StopReason::Stepped);
        Ok(if done { Ended::Done(stop) } else { Ended::Elsewhere(stop) })
    }

    /// The current moment, as the end of a step.
    fn here(&self, task: TaskId) -> Stop {
        let position = self.execution.position();
        Stop { position, task, reasons: vec![StopReason::Stepped] }
    }

    /// Runs to one of some sites.
    fn run_to(&mut self, direction: Direction, sites: &[Site]) -> Result<Ended, DebugError> {
        let stop = self.execution.run(&RunPlan::to_sites(direction, sites), None)?;
        let done = stop.reasons.iter().any(|reason| matches!(reason, StopReason::Site(_)));
        Ok(if done { Ended::Done(stepped(stop)) } else { Ended::Elsewhere(stop) })
    }
}

/// The sites of a step are nobody's breakpoints.
fn stepped(stop: Stop) -> Stop {
    let reason = |reason: StopReason| match reason {
        StopReason::Site(_) => StopReason::Stepped,
        other => other,
    };
    Stop { reasons: stop.reasons.into_iter().map(reason).collect(), ..stop }
}
