//! Steps over source lines and out of functions, backwards: to where the same step forwards would have begun.

use retake_execution::Direction;
use retake_model::TaskId;

use super::Ended;
use super::frames::Frame;
use super::sites::{Line, Rows, StepSites, begins_at, is_around};
use crate::code::Statement;
use crate::{DebugError, Debugger};

impl Debugger {
    /// To the beginning of the line before, in this function or where it was called.
    pub(super) fn previous_line(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let frames = self.frames(task)?;
        let Some((frame, line, at_start)) = standing(&frames) else {
            return self.back_to_call(task);
        };
        // In the middle of a line: to its own beginning.
        let left = if at_start { line } else { None };
        match self.back_to_statement(task, frame, left.as_ref())? {
            Back::Statement(ended) => {
                let Ended::Done(_) = ended else { return Ok(ended) };
                self.find_first_of_line(task)
            }
            Back::Entry => {
                let called = self.one(task, Direction::Backward)?;
                match called {
                    Ended::Done(stop) => self.find_start_of_call(task).map(|ended| match ended {
                        Ended::Done(stop) => Ended::Done(stop),
                        Ended::Elsewhere(_) => Ended::Done(stop),
                    }),
                    Ended::Elsewhere(_) => Ok(called),
                }
            }
            Back::Nowhere(ended) => Ok(ended),
        }
    }

    /// The same, also into a function that the line before called last.
    pub(super) fn back_into_line(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let (from, after) = (self.execution.position(), self.execution.program_registers(task)?);
        // The instruction before tells a return.
        let ended = self.one(task, Direction::Backward)?;
        let Ended::Done(_) = ended else { return Ok(ended) };
        let now = self.frames(task)?;
        let deeper = now.first().is_some_and(|frame| frame.registers.rsp < after.rsp);
        if deeper
            && let Some((frame, _, _)) = standing(&now)
            && let Back::Statement(ended) = self.back_to_statement(task, frame, None)?
        {
            return Ok(ended);
        }
        self.execution.seek(from)?;
        self.previous_line(task)
    }

    /// To the call of the function.
    pub(super) fn back_to_call(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let frames = self.frames(task)?;
        let inner = frames.first();
        let Some(Frame { code: Some(code), cfa: Some(cfa), .. }) = inner else {
            return Err(unknown_caller());
        };
        let mut sites = StepSites::default();
        sites.entry(task, code, *cfa);
        if sites.sites.is_empty() {
            return Err(unknown_caller());
        }
        let is_entry = code.function.as_ref().is_some_and(|function| function.entry == code.offset);
        if !is_entry {
            let ended = self.run_to(Direction::Backward, &sites.sites)?;
            let Ended::Done(_) = ended else { return Ok(ended) };
        }
        self.one(task, Direction::Backward)
    }

    /// In a frame: back to the last statement of another line than `left`, or to where the frame began.
    fn back_to_statement(
        &mut self,
        task: TaskId,
        frame: &Frame,
        left: Option<&Line>,
    ) -> Result<Back, DebugError> {
        let (Some(code), Some(cfa)) = (&frame.code, frame.cfa) else {
            return Err(unknown_caller());
        };
        let Some(function) = &code.function else { return Err(unknown_caller()) };
        if code.offset == function.entry {
            return Ok(Back::Entry);
        }
        let inlined = function.inlined_at(code.offset);
        let wanted = |statement: &Statement| {
            left.is_none_or(|left| *left != Line::of(statement))
                && is_around(function, statement.inlined, inlined)
        };
        let mut sites = StepSites::default();
        sites.statements(task, code, cfa, Rows::All, wanted);
        sites.entry(task, code, cfa);
        let ended = self.run_to(Direction::Backward, &sites.sites)?;
        let Ended::Done(_) = &ended else { return Ok(Back::Nowhere(ended)) };
        let now = self.frames(task)?;
        let here = now.first().and_then(|frame| frame.code.as_ref());
        let at_entry = here.is_some_and(|here| here.offset == function.entry);
        let counts = here.and_then(|here| begins_at(function, here.offset)).is_some_and(wanted);
        Ok(if at_entry && !counts { Back::Entry } else { Back::Statement(ended) })
    }

    /// From a statement: back to the first one of the same line that the task came to.
    fn find_first_of_line(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let found = self.execution.position();
        let frames = self.frames(task)?;
        let Some((frame, Some(line), _)) = standing(&frames) else {
            return Ok(Ended::Done(self.here(task)));
        };
        let (Some(code), Some(cfa)) = (&frame.code, frame.cfa) else {
            return Ok(Ended::Done(self.here(task)));
        };
        let is_entry = code.function.as_ref().is_some_and(|function| function.entry == code.offset);
        if is_entry {
            return Ok(Ended::Done(self.here(task)));
        }
        if let Back::Nowhere(_) = self.back_to_statement(task, frame, Some(&line))? {
            self.execution.seek(found)?;
            return Ok(Ended::Done(self.here(task)));
        }
        // From the line before, forwards to where this one begins.
        let now = self.frames(task)?;
        let starts_there =
            standing(&now).is_some_and(|(_, at, exact)| exact && at.as_ref() == Some(&line));
        if starts_there {
            return Ok(Ended::Done(self.here(task)));
        }
        let mut sites = StepSites::default();
        sites.statements(task, code, cfa, Rows::All, |statement| Line::of(statement) == line);
        let ended = self.run_to(Direction::Forward, &sites.sites)?;
        if self.execution.position() > found {
            self.execution.seek(found)?;
            return Ok(Ended::Done(self.here(task)));
        }
        Ok(ended)
    }

    /// From a call: to the beginning of the line that makes it.
    fn find_start_of_call(&mut self, task: TaskId) -> Result<Ended, DebugError> {
        let frames = self.frames(task)?;
        let Some((frame, _, at_start)) = standing(&frames) else {
            return Ok(Ended::Done(self.here(task)));
        };
        if at_start {
            return Ok(Ended::Done(self.here(task)));
        }
        match self.back_to_statement(task, frame, None)? {
            Back::Statement(ended) => {
                let Ended::Done(_) = ended else { return Ok(ended) };
                self.find_first_of_line(task)
            }
            Back::Entry => Ok(Ended::Done(self.here(task))),
            Back::Nowhere(ended) => Ok(ended),
        }
    }
}

/// Where a run back in one frame came to.
enum Back {
    Statement(Ended),
    /// The frame begins here.
    Entry,
    /// Out of the recording.
    Nowhere(Ended),
}

/// The innermost frame, the line that it is in, and whether that begins right here; `None` where no lines are
/// known.
fn standing(frames: &[Frame]) -> Option<(&Frame, Option<Line>, bool)> {
    let frame = frames.first()?;
    let code = frame.code.as_ref()?;
    let function = code.function.as_ref().filter(|function| function.has_lines())?;
    // A later row of the same line is in the middle of it.
    let at_start = function.statement_at(code.offset).is_some_and(|s| s.offset == code.offset);
    Some((frame, Line::at(function, code.offset), at_start))
}

fn unknown_caller() -> DebugError {
    DebugError::NotFound(
        "where this function was called is not known: use rev step-instruction or rewind"
            .to_owned(),
    )
}
