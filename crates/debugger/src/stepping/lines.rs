//! Steps over source lines and out of functions, forwards.

use retake_execution::{Direction, SiteTarget};
use retake_model::{Addr, TaskId};

use super::Ended;
use super::frames::Frame;
use super::sites::{Line, Rows, StepSites, begins_at, is_around};
use crate::{DebugError, Debugger};

/// Instructions of one line that are stepped to see which calls it makes.
const LONG_LINE: usize = 3000;

impl Debugger {
    /// To the next line of the function, or back into its caller.
    pub(super) fn next_line(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let frames = self.frames(task)?;
        let Some(sites) = line_ends(task, &frames) else {
            return self.out_of_frame(task, &frames);
        };
        self.run_to(Direction::Forward, &sites.sites)
    }

    /// To the next line, also of a function that is called.
    pub(super) fn step_line(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let frames = self.frames(task)?;
        let Some(sites) = line_ends(task, &frames) else {
            return self.out_of_frame(task, &frames);
        };
        for _ in 0..LONG_LINE {
            let before = self.execution.program_registers(task)?;
            let ended = self.one(task, Direction::Forward)?;
            let Ended::Done(_) = ended else { return Ok(ended) };
            let now = self.execution.program_registers(task)?;
            if let Some(back) = self.return_address_of_call(task, before.rip, before.rsp)? {
                if let Some(ended) = self.enter_function(task, now.pc())? {
                    return Ok(ended);
                }
                let mut over = StepSites::default();
                over.after(task, back, Addr::new(before.rsp));
                over.sites.extend(sites.sites.iter().cloned());
                if let Ended::Elsewhere(stop) = self.run_to(Direction::Forward, &over.sites)? {
                    return Ok(Ended::Elsewhere(stop));
                }
            }
            if self.is_end_of_line(task, &frames)? {
                return Ok(Ended::Done(self.here(task)));
            }
        }
        self.run_to(Direction::Forward, &sites.sites)
    }

    /// Whether a task stands where a step that began in `frames` ends.
    fn is_end_of_line(&self, task: TaskId, frames: &[Frame]) -> Result<bool, DebugError> {
        // Asked after each instruction of a line.
        let now = self.frames_up_to(task, 1)?;
        let (Some(inner), Some(began)) = (now.first(), frames.first()) else { return Ok(false) };
        if inner.cfa != began.cfa {
            // Returned: to a caller whose lines are known.
            let left = began.cfa.is_none_or(|cfa| inner.registers.sp() >= cfa);
            let lines = inner.code.as_ref().and_then(|code| code.function.as_ref());
            return Ok(left && lines.is_some_and(|function| function.has_lines()));
        }
        let (Some(code), Some(first)) = (&inner.code, &began.code) else { return Ok(false) };
        let Some(function) = &code.function else { return Ok(false) };
        let Some(statement) = begins_at(function, code.offset) else {
            return Ok(false);
        };
        let line = Line::at(function, first.offset);
        Ok(line.is_none_or(|line| line != Line::of(statement)))
    }

    /// Into a function that was just called, if it has lines; through stubs that lead to one.
    fn enter_function(&mut self, task: TaskId, at: Addr) -> Result<Option<Ended>, DebugError> {
        let mut at = at;
        for _ in 0..4 {
            let Some(code) = self.code_at(task, at) else { return Ok(None) };
            if code.module.trampoline(code.offset).is_none() {
                break;
            }
            // A stub jumps on within a few instructions, unless it has to be resolved first.
            let mut moved = false;
            for _ in 0..4 {
                let ended = self.one(task, Direction::Forward)?;
                if matches!(ended, Ended::Elsewhere(_)) {
                    return Ok(Some(ended));
                }
                let now = self.execution.program_registers(task)?.pc();
                let left = self.code_at(task, now);
                moved = left.is_none_or(|code| code.module.trampoline(code.offset).is_none());
                at = now;
                if moved {
                    break;
                }
            }
            if !moved {
                return Ok(None);
            }
        }
        let Some(code) = self.code_at(task, at) else { return Ok(None) };
        let Some(place) = code.module.stop_of_call(code.offset) else { return Ok(None) };
        let mut sites = StepSites::default();
        sites.at(task, SiteTarget::Code { file: code.file, offset: place.offset });
        if place.offset == code.offset {
            // It stands there.
            return Ok(Some(Ended::Done(self.here(task))));
        }
        self.run_to(Direction::Forward, &sites.sites).map(Some)
    }

    /// To where the function was called, or to the function around one that is inlined.
    pub(super) fn out_of_function(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let frames = self.frames(task)?;
        let inner = frames.first();
        if let Some(Frame { code: Some(code), cfa: Some(cfa), .. }) = inner
            && let Some(function) = &code.function
            && let Some(inlined) = function.inlined_at(code.offset)
        {
            let parent = function.inlined.get(inlined).and_then(|inlined| inlined.parent);
            let mut sites = StepSites::default();
            sites.statements(task, code, *cfa, Rows::All, |statement| {
                is_around(function, statement.inlined, parent)
            });
            outside(&mut sites, task, &frames);
            return self.run_to(Direction::Forward, &sites.sites);
        }
        self.out_of_frame(task, &frames)
    }

    fn out_of_frame(&mut self, task: TaskId, frames: &[Frame]) -> Result<Ended, DebugError> {
        let mut sites = StepSites::default();
        outside(&mut sites, task, frames);
        if sites.sites.is_empty() {
            let what = "the caller of this code is not known: use continue or step-instruction";
            return Err(DebugError::NotFound(what.to_owned()));
        }
        self.run_to(Direction::Forward, &sites.sites)
    }
}

/// Where a step over a line ends; nothing if no line is known where it begins.
fn line_ends(task: TaskId, frames: &[Frame]) -> Option<StepSites> {
    let inner = frames.first()?;
    let code = inner.code.as_ref()?;
    let function = code.function.as_ref().filter(|function| function.has_lines())?;
    let line = Line::at(function, code.offset);
    let inlined = function.inlined_at(code.offset);
    let mut sites = StepSites::default();
    sites.statements(task, code, inner.cfa?, Rows::All, |statement| {
        let other = line.as_ref().is_none_or(|line| *line != Line::of(statement));
        other && is_around(function, statement.inlined, inlined)
    });
    outside(&mut sites, task, frames);
    Some(sites)
}

/// Where a task may come to that leaves the innermost frame: behind the call, or, by an exception or a jump,
/// at a statement of any frame around.
pub(super) fn outside(sites: &mut StepSites, task: TaskId, frames: &[Frame]) {
    let has_lines = |frame: &Frame| {
        let function = frame.code.as_ref().and_then(|code| code.function.as_ref());
        function.is_some_and(|function| function.has_lines())
    };
    let mut frames = frames.iter().peekable();
    let mut returns = true;
    while let Some(frame) = frames.next() {
        let Some(caller) = frames.peek() else { return };
        if returns && (has_lines(caller) || frame.is_of_signal) {
            sites.return_of(task, frame, caller);
            returns = false;
        }
        if let (Some(code), Some(cfa)) = (&caller.code, caller.cfa) {
            sites.statements(task, code, cfa, Rows::First, |_| true);
        }
    }
}
