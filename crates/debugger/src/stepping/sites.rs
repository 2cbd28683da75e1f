//! Where a step over source lines may end, as sites that the task judges itself.

use retake_execution::{Site, SiteId, SiteTarget};
use retake_model::{Addr, Comparison, FileOffset, Predicate, RegisterName, TaskId, Term};

use super::frames::{Code, Frame, has_left, of_task};
use crate::code::{FunctionCode, Statement};

/// Sites of one step.
#[derive(Debug, Default)]
pub(crate) struct StepSites {
    pub(crate) sites: Vec<Site>,
}

/// The line that a task is in: its file, its number, and the inlined function that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) inlined: Option<usize>,
}

impl Line {
    pub(crate) fn of(statement: &Statement) -> Self {
        let file = statement.file.to_string();
        Self { file, line: statement.line, inlined: statement.inlined }
    }

    /// The line that the code at an offset belongs to.
    pub(crate) fn at(function: &FunctionCode, offset: FileOffset) -> Option<Self> {
        function.statement_at(offset).map(Self::of)
    }
}

/// The statement of which a row is at an offset.
pub(crate) fn begins_at(function: &FunctionCode, offset: FileOffset) -> Option<&Statement> {
    let statement = function.statement_at(offset)?;
    (statement.offset == offset || statement.again.contains(&offset)).then_some(statement)
}

/// Whether a step that began in one inlined function may end in another one: in that, or in those around it.
pub(crate) fn is_around(
    function: &FunctionCode,
    outer: Option<usize>,
    inner: Option<usize>,
) -> bool {
    let Some(outer) = outer else { return true };
    let mut at = inner;
    while let Some(index) = at {
        if index == outer {
            return true;
        }
        at = function.inlined.get(index).and_then(|inlined| inlined.parent);
    }
    false
}

/// Which rows of a line count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Where the line begins.
    First,
    /// Wherever another line may jump to.
    All,
}

impl StepSites {
    fn push(&mut self, target: SiteTarget, when: Option<Predicate>) {
        let id = SiteId::new(u32::try_from(self.sites.len()).unwrap_or(u32::MAX));
        self.sites.push(Site { id, target, when });
    }

    /// At the statements of a frame's function that are wanted.
    pub(crate) fn statements(
        &mut self,
        task: TaskId,
        code: &Code,
        cfa: Addr,
        rows: Rows,
        wanted: impl Fn(&Statement) -> bool,
    ) {
        let Some(function) = &code.function else { return };
        for statement in function.statements.iter().filter(|statement| wanted(statement)) {
            let again: &[FileOffset] = if rows == Rows::All { &statement.again } else { &[] };
            for &offset in std::iter::once(&statement.offset).chain(again) {
                let Some(frame) = code.is_frame(offset, cfa) else { continue };
                let target = SiteTarget::Code { file: code.file, offset };
                self.push(target, Some(of_task(task, frame)));
            }
        }
    }

    /// Where the frame began.
    pub(crate) fn entry(&mut self, task: TaskId, code: &Code, cfa: Addr) {
        let Some(function) = &code.function else { return };
        if let Some(frame) = code.is_frame(function.entry, cfa) {
            let target = SiteTarget::Code { file: code.file, offset: function.entry };
            self.push(target, Some(of_task(task, frame)));
        }
    }

    /// Where the frame returns to, once it has.
    pub(crate) fn return_of(&mut self, task: TaskId, frame: &Frame, caller: &Frame) {
        if let Some(cfa) = frame.cfa {
            let target = SiteTarget::Absolute(caller.registers.pc());
            self.push(target, Some(of_task(task, has_left(cfa))));
        }
    }

    /// At an address, once a frame was left.
    pub(crate) fn after(&mut self, task: TaskId, at: Addr, left: Addr) {
        self.push(SiteTarget::Absolute(at), Some(of_task(task, has_left(left))));
    }

    /// At an address, with just this stack pointer.
    pub(crate) fn exactly(&mut self, task: TaskId, at: Addr, sp: u64) {
        let register = Term::Register(RegisterName::Rsp);
        let same = Predicate::Compare(Comparison::Equal, register, Term::Constant(sp));
        self.push(SiteTarget::Absolute(at), Some(of_task(task, same)));
    }

    /// At an address.
    pub(crate) fn at(&mut self, task: TaskId, at: SiteTarget) {
        self.push(at, Some(Predicate::Task(task)));
    }
}
